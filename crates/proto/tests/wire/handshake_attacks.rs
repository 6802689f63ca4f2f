//! Peers that want to be believed and do not know the key, or know another one.

use pexec_proto::{HEADER_LEN, Handshake, HandshakeError, Hello, Key, Progress, Role};

use crate::peers::{feed, in_hello, key, other_key, session, supervisor_hello, worker_hello};

const ROLE: usize = in_hello(10);
const SLOT: usize = in_hello(40);
const GENERATION: usize = in_hello(48);
const HELLO_FRAME: usize = HEADER_LEN + Hello::LEN;

#[test]
fn a_recorded_worker_does_not_convince_a_new_handshake() {
    let recorded = session(&key(), supervisor_hello(), worker_hello());
    let fresh = Hello {
        nonce: [0xa6; 32],
        ..supervisor_hello()
    };
    let (mut supervisor, _) = Handshake::supervisor(&key(), fresh);
    assert_eq!(
        feed(&mut supervisor, &recorded.answer),
        Err(HandshakeError::BadProof)
    );
}

#[test]
fn a_recorded_supervisor_does_not_convince_a_new_handshake() {
    let recorded = session(&key(), supervisor_hello(), worker_hello());
    let fresh = Hello {
        nonce: [0x5b; 32],
        ..worker_hello()
    };
    let (mut worker, _) = Handshake::worker(&key(), fresh);
    assert!(matches!(
        feed(&mut worker, &recorded.hello),
        Ok(Progress::Continue(_))
    ));
    assert_eq!(feed(&mut worker, &recorded.proof), Err(HandshakeError::BadProof));
}

#[test]
fn a_mirror_does_not_convince_a_supervisor() {
    let (mut supervisor, hello) = Handshake::supervisor(&key(), supervisor_hello());
    assert_eq!(
        feed(&mut supervisor, &hello),
        Err(HandshakeError::WrongRole { wanted: Role::Worker })
    );

    // A mirror that swaps the role gets one step further, and then needs a proof: none that exists fits. The one at
    // hand is a real worker's, for this very nonce of the supervisor, and its own hello.
    let real = session(&key(), supervisor_hello(), worker_hello());
    let mut mirrored = hello;
    mirrored[ROLE] = Role::Worker as u8;
    for proof in [&real.answer[HELLO_FRAME..], &real.proof[..]] {
        let (mut supervisor, _) = Handshake::supervisor(&key(), supervisor_hello());
        assert_eq!(feed(&mut supervisor, &mirrored), Ok(Progress::Continue(vec![])));
        assert_eq!(feed(&mut supervisor, proof), Err(HandshakeError::BadProof));
    }
}

#[test]
fn a_mirror_does_not_convince_a_worker() {
    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    let (_, hello) = Handshake::supervisor(&key(), supervisor_hello());
    let Ok(Progress::Continue(own)) = feed(&mut worker, &hello) else {
        panic!()
    };
    assert_eq!(
        feed(&mut worker, &own[HELLO_FRAME..]),
        Err(HandshakeError::BadProof),
        "its own proof"
    );

    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    let mut mirrored = own[..HELLO_FRAME].to_vec();
    assert_eq!(
        feed(&mut worker, &mirrored),
        Err(HandshakeError::WrongRole {
            wanted: Role::Supervisor
        })
    );

    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    mirrored[ROLE] = Role::Supervisor as u8;
    let Ok(Progress::Continue(own)) = feed(&mut worker, &mirrored) else {
        panic!()
    };
    assert_eq!(
        feed(&mut worker, &own[HELLO_FRAME..]),
        Err(HandshakeError::BadProof),
        "own nonce, own proof"
    );
}

#[test]
fn two_workers_connected_to_one_another_refuse_one_another() {
    let (_, hello) = Handshake::supervisor(&key(), supervisor_hello());
    let (mut first, _) = Handshake::worker(&key(), worker_hello());
    let Ok(Progress::Continue(answer)) = feed(&mut first, &hello) else {
        panic!()
    };
    let (mut second, _) = Handshake::worker(
        &key(),
        Hello {
            nonce: [1; 32],
            ..worker_hello()
        },
    );
    assert_eq!(
        feed(&mut second, &answer),
        Err(HandshakeError::WrongRole {
            wanted: Role::Supervisor
        })
    );
}

/// The answer of slot 3's worker to the hello of slot 4's supervisor, when whoever stands between them rewrites the
/// hello's slot on the way to the worker, and the worker's on the way back.
fn relayed(worker_key: &Key, supervisor_key: &Key) -> Result<Progress, HandshakeError> {
    let slot_four = Hello {
        slot: 4,
        nonce: [0x44; 32],
        ..supervisor_hello()
    };
    let (mut supervisor, mut hello) = Handshake::supervisor(supervisor_key, slot_four);
    let (mut worker, _) = Handshake::worker(worker_key, worker_hello());
    assert_eq!(
        feed(&mut worker, &hello),
        Err(HandshakeError::WrongSlot { ours: 3, theirs: 4 }),
        "unchanged"
    );

    let (mut worker, _) = Handshake::worker(worker_key, worker_hello());
    hello[SLOT] = 3;
    let Ok(Progress::Continue(mut answer)) = feed(&mut worker, &hello) else {
        panic!()
    };
    answer[SLOT] = 4;
    feed(&mut supervisor, &answer)
}

#[test]
fn a_worker_relayed_to_another_slot_is_refused() {
    assert_eq!(relayed(&key(), &other_key()), Err(HandshakeError::BadProof));
    assert_eq!(
        relayed(&key(), &key()),
        Err(HandshakeError::BadProof),
        "even if the slots had one key"
    );
}

#[test]
fn a_worker_does_not_pass_for_its_replacement() {
    let replacement = Hello {
        generation: 6,
        ..supervisor_hello()
    };
    let (mut supervisor, mut hello) = Handshake::supervisor(&key(), replacement);
    hello[GENERATION] = 5;
    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    let Ok(Progress::Continue(mut answer)) = feed(&mut worker, &hello) else {
        panic!()
    };
    answer[GENERATION] = 6;
    assert_eq!(feed(&mut supervisor, &answer), Err(HandshakeError::BadProof));
}

#[test]
fn the_supervisors_proof_is_bound_to_the_workers() {
    // The same hellos, and a worker's proof that differs: only a worker with another key makes one.
    let real = session(&key(), supervisor_hello(), worker_hello());
    let foreign = session(&other_key(), supervisor_hello(), worker_hello());
    assert_eq!(real.hello, foreign.hello);
    assert_eq!(real.answer[..HELLO_FRAME], foreign.answer[..HELLO_FRAME]);
    assert_ne!(real.proof, foreign.proof);
    let (mut worker, _) = Handshake::worker(&other_key(), worker_hello());
    assert!(feed(&mut worker, &real.hello).is_ok());
    assert_eq!(feed(&mut worker, &real.proof), Err(HandshakeError::BadProof));
}

#[test]
fn a_bit_flipped_anywhere_on_the_way_ends_the_handshake() {
    let real = session(&key(), supervisor_hello(), worker_hello());
    for bit in 0..real.hello.len() * 8 {
        let mut hello = real.hello.clone();
        hello[bit / 8] ^= 1 << (bit % 8);
        let (mut supervisor, _) = Handshake::supervisor(&key(), supervisor_hello());
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        // A changed nonce, pid or message limit reaches the worker; its proof then does not fit.
        if let Ok(Progress::Continue(answer)) = feed(&mut worker, &hello)
            && !answer.is_empty()
        {
            assert_eq!(
                feed(&mut supervisor, &answer),
                Err(HandshakeError::BadProof),
                "bit {bit}"
            );
        }
    }
    for bit in 0..real.answer.len() * 8 {
        let mut answer = real.answer.clone();
        answer[bit / 8] ^= 1 << (bit % 8);
        let (mut supervisor, _) = Handshake::supervisor(&key(), supervisor_hello());
        let outcome = feed(&mut supervisor, &answer);
        assert!(
            !matches!(outcome, Ok(Progress::Done { .. })),
            "bit {bit}: {outcome:?}"
        );
    }
    for bit in 0..real.proof.len() * 8 {
        let mut proof = real.proof.clone();
        proof[bit / 8] ^= 1 << (bit % 8);
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        assert!(feed(&mut worker, &real.hello).is_ok());
        let outcome = feed(&mut worker, &proof);
        assert!(
            !matches!(outcome, Ok(Progress::Done { .. })),
            "bit {bit}: {outcome:?}"
        );
    }
}
