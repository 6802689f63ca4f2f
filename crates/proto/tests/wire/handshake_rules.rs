//! What a handshake accepts, and each thing that it refuses, one at a time.

use pexec_proto::handshake::{MAX_HANDSHAKE_BODY, MAX_HANDSHAKE_FRAME, PROTOCOL_VERSION};
use pexec_proto::{
    BuildId, FrameError, HEADER_LEN, Handshake, HandshakeError, Header, Hello, Kind, Progress, Role,
};

use crate::peers::{feed, frame, in_hello, key, other_key, session, supervisor_hello, worker_hello};

/// What a worker says to a supervisor's hello after `change`.
fn worker_takes(change: impl FnOnce(&mut Vec<u8>)) -> Result<Progress, HandshakeError> {
    let (_, mut hello) = Handshake::supervisor(&key(), supervisor_hello());
    change(&mut hello);
    feed(&mut Handshake::worker(&key(), worker_hello()).0, &hello)
}

/// What a supervisor says to a worker's answer after `change`.
fn supervisor_takes(change: impl FnOnce(&mut Vec<u8>)) -> Result<Progress, HandshakeError> {
    let mut answer = session(&key(), supervisor_hello(), worker_hello()).answer;
    change(&mut answer);
    feed(&mut Handshake::supervisor(&key(), supervisor_hello()).0, &answer)
}

#[test]
fn both_sides_learn_who_the_other_is() {
    let (mut supervisor, hello) = Handshake::supervisor(&key(), supervisor_hello());
    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    let Ok(Progress::Continue(answer)) = feed(&mut worker, &hello) else {
        panic!()
    };
    let Ok(Progress::Done { peer, send }) = feed(&mut supervisor, &answer) else {
        panic!()
    };
    assert_eq!(peer, worker_hello());
    assert_eq!(
        feed(&mut worker, &send),
        Ok(Progress::Done {
            peer: supervisor_hello(),
            send: vec![]
        })
    );
}

#[test]
fn each_side_sends_less_before_the_proof_than_one_frame_may_hold() {
    let session = session(&key(), supervisor_hello(), worker_hello());
    assert!(session.answer.len() <= MAX_HANDSHAKE_FRAME);
    assert!(session.hello.len() + session.proof.len() <= MAX_HANDSHAKE_FRAME);
}

#[test]
fn the_supervisor_proves_nothing_before_the_worker_has() {
    let answer = session(&key(), supervisor_hello(), worker_hello()).answer;
    let (mut supervisor, _) = Handshake::supervisor(&key(), supervisor_hello());
    let (hello, proof) = answer.split_at(HEADER_LEN + Hello::LEN);
    assert_eq!(feed(&mut supervisor, hello), Ok(Progress::Continue(vec![])));
    assert!(matches!(feed(&mut supervisor, proof), Ok(Progress::Done { .. })));
}

#[test]
fn a_worker_with_another_key_is_refused() {
    let (mut supervisor, hello) = Handshake::supervisor(&key(), supervisor_hello());
    let (mut worker, _) = Handshake::worker(&other_key(), worker_hello());
    let Ok(Progress::Continue(answer)) = feed(&mut worker, &hello) else {
        panic!()
    };
    assert_eq!(feed(&mut supervisor, &answer), Err(HandshakeError::BadProof));
}

#[test]
fn a_supervisor_with_another_key_is_refused() {
    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    let foreign = session(&other_key(), supervisor_hello(), worker_hello());
    assert!(matches!(
        feed(&mut worker, &foreign.hello),
        Ok(Progress::Continue(_))
    ));
    assert_eq!(feed(&mut worker, &foreign.proof), Err(HandshakeError::BadProof));
}

#[test]
fn another_protocol_is_refused() {
    for offset in 0..8 {
        assert_eq!(
            worker_takes(|b| b[in_hello(offset)] ^= 1),
            Err(HandshakeError::WrongMagic)
        );
        assert_eq!(
            supervisor_takes(|b| b[in_hello(offset)] ^= 1),
            Err(HandshakeError::WrongMagic)
        );
    }
}

#[test]
fn another_version_is_refused_and_both_are_named() {
    let refused = HandshakeError::WrongVersion {
        ours: PROTOCOL_VERSION,
        theirs: 258,
    };
    assert_eq!(
        worker_takes(|b| b[in_hello(8)..in_hello(10)].fill(0)).unwrap_err(),
        {
            HandshakeError::WrongVersion {
                ours: PROTOCOL_VERSION,
                theirs: 0,
            }
        }
    );
    let change = |b: &mut Vec<u8>| b[in_hello(8)..in_hello(10)].copy_from_slice(&[2, 1]);
    assert_eq!(worker_takes(change).as_ref(), Err(&refused));
    assert_eq!(supervisor_takes(change).as_ref(), Err(&refused));
    let text = refused.to_string();
    assert!(
        text.contains("version 258") && text.contains(&format!("version {PROTOCOL_VERSION}")),
        "{text}"
    );
}

#[test]
fn another_version_is_recognised_whatever_the_length_of_its_hello() {
    for len in [10, 11, 87, 89, MAX_HANDSHAKE_BODY as usize] {
        let mut body = vec![0xee; len];
        body[..8].copy_from_slice(&Hello::MAGIC);
        body[8..10].copy_from_slice(&7u16.to_le_bytes());
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        assert_eq!(
            feed(&mut worker, &frame(Kind::Hello, &body)),
            Err(HandshakeError::WrongVersion {
                ours: PROTOCOL_VERSION,
                theirs: 7
            })
        );
    }
}

#[test]
fn another_role_is_refused() {
    for role in [0, 2, 3, 255] {
        assert_eq!(
            worker_takes(|b| b[in_hello(10)] = role),
            Err(HandshakeError::WrongRole {
                wanted: Role::Supervisor
            })
        );
    }
    for role in [0, 1, 3, 255] {
        assert_eq!(
            supervisor_takes(|b| b[in_hello(10)] = role),
            Err(HandshakeError::WrongRole { wanted: Role::Worker })
        );
    }
}

#[test]
fn another_codec_is_refused() {
    let refused = |theirs| Err(HandshakeError::OtherCodec { ours: 0x0201, theirs });
    assert_eq!(worker_takes(|b| b[in_hello(12)] = 2), refused(0x0202));
    assert_eq!(supervisor_takes(|b| b[in_hello(13)] = 0), refused(0x0001));
}

#[test]
fn reserved_bytes_that_are_set_are_refused() {
    for offset in [11, 14, 15] {
        assert_eq!(
            worker_takes(|b| b[in_hello(offset)] = 1),
            Err(HandshakeError::Malformed)
        );
        assert_eq!(
            supervisor_takes(|b| b[in_hello(offset)] = 1),
            Err(HandshakeError::Malformed)
        );
    }
}

#[test]
fn of_several_faults_the_first_of_the_hello_is_reported() {
    let faults = [0, 8, 11, 10, 12, 24];
    let reported = |from: usize| {
        worker_takes(|b| {
            for offset in &faults[from..] {
                b[in_hello(*offset)] ^= 0x40;
            }
        })
        .unwrap_err()
    };
    assert_eq!(reported(0), HandshakeError::WrongMagic);
    assert!(matches!(reported(1), HandshakeError::WrongVersion { .. }));
    assert_eq!(reported(2), HandshakeError::Malformed);
    assert!(matches!(reported(3), HandshakeError::WrongRole { .. }));
    assert!(matches!(reported(4), HandshakeError::OtherCodec { .. }));
    assert!(matches!(reported(5), HandshakeError::OtherBuild { .. }));
}

#[test]
fn another_build_is_refused() {
    for offset in 24..40 {
        let mut theirs = supervisor_hello().build;
        theirs.0[offset - 24] ^= 0x10;
        let refused = Err(HandshakeError::OtherBuild {
            ours: supervisor_hello().build,
            theirs,
        });
        assert_eq!(worker_takes(|b| b[in_hello(offset)] ^= 0x10), refused);
        assert_eq!(supervisor_takes(|b| b[in_hello(offset)] ^= 0x10), refused);
    }
    let rebuilt = Hello {
        build: BuildId::of(&[b"rebuilt"]),
        ..worker_hello()
    };
    let (_, hello) = Handshake::supervisor(&key(), supervisor_hello());
    let refused = feed(&mut Handshake::worker(&key(), rebuilt).0, &hello);
    assert!(matches!(refused, Err(HandshakeError::OtherBuild { .. })));
}

#[test]
fn another_slot_or_generation_is_refused() {
    let slot = Err(HandshakeError::WrongSlot { ours: 3, theirs: 4 });
    assert_eq!(worker_takes(|b| b[in_hello(40)] = 4), slot);
    assert_eq!(supervisor_takes(|b| b[in_hello(40)] = 4), slot);
    let generation = Err(HandshakeError::WrongGeneration { ours: 5, theirs: 6 });
    assert_eq!(worker_takes(|b| b[in_hello(48)] = 6), generation);
    assert_eq!(supervisor_takes(|b| b[in_hello(48)] = 6), generation);
}

#[test]
fn a_header_that_says_more_than_it_must_is_refused() {
    for offset in 6..HEADER_LEN {
        assert_eq!(
            worker_takes(|b| b[offset] = 1),
            Err(HandshakeError::Malformed),
            "byte {offset}"
        );
        assert_eq!(
            supervisor_takes(|b| b[offset] = 1),
            Err(HandshakeError::Malformed),
            "byte {offset}"
        );
    }
    assert_eq!(
        worker_takes(|b| b[5] = 1),
        Err(HandshakeError::Malformed),
        "a flag"
    );
    assert_eq!(
        worker_takes(|b| b[4] = 200),
        Err(HandshakeError::Malformed),
        "an unknown kind"
    );
}

#[test]
fn a_body_that_is_not_as_long_as_its_header_says_is_refused() {
    let (_, hello) = Handshake::supervisor(&key(), supervisor_hello());
    let body = &hello[HEADER_LEN..];
    for (len, body) in [(87, body), (89, body), (88, &body[..87]), (0, body)] {
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        assert_eq!(
            worker.receive(&Header::control(Kind::Hello, len), body),
            Err(HandshakeError::Malformed)
        );
    }
}

#[test]
fn a_session_cut_off_at_any_byte_is_never_done() {
    let session = session(&key(), supervisor_hello(), worker_hello());
    for cut in 0..session.answer.len() {
        let (mut supervisor, _) = Handshake::supervisor(&key(), supervisor_hello());
        assert_eq!(
            feed(&mut supervisor, &session.answer[..cut]),
            Ok(Progress::Continue(vec![])),
            "at {cut}"
        );
    }
    for cut in 0..session.hello.len() {
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        assert_eq!(
            feed(&mut worker, &session.hello[..cut]),
            Ok(Progress::Continue(vec![])),
            "at {cut}"
        );
    }
    for cut in 0..session.proof.len() {
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        let sent = [&session.hello[..], &session.proof[..cut]].concat();
        assert_eq!(
            feed(&mut worker, &sent),
            Ok(Progress::Continue(session.answer.clone())),
            "at {cut}"
        );
    }
}

#[test]
fn a_body_shortened_or_lengthened_by_any_number_of_bytes_is_refused() {
    let session = session(&key(), supervisor_hello(), worker_hello());
    let (hello, proof) = (&session.hello[HEADER_LEN..], &session.proof[HEADER_LEN..]);
    for len in (0..=MAX_HANDSHAKE_BODY as usize).filter(|len| *len != Hello::LEN) {
        let body: Vec<u8> = hello
            .iter()
            .copied()
            .chain(std::iter::repeat(0))
            .take(len)
            .collect();
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        let wanted = if len < 8 {
            HandshakeError::WrongMagic
        } else {
            HandshakeError::Malformed
        };
        assert_eq!(
            feed(&mut worker, &frame(Kind::Hello, &body)),
            Err(wanted),
            "{len} bytes"
        );
    }
    for len in (0..=MAX_HANDSHAKE_BODY as usize).filter(|len| *len != proof.len()) {
        let body: Vec<u8> = proof
            .iter()
            .copied()
            .chain(std::iter::repeat(0))
            .take(len)
            .collect();
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        let sent = [&session.hello[..], &frame(Kind::Proof, &body)].concat();
        assert_eq!(
            feed(&mut worker, &sent),
            Err(HandshakeError::Malformed),
            "{len} bytes"
        );
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_header_alone() {
    for len in [MAX_HANDSHAKE_BODY + 1, 1 << 31, u32::MAX] {
        let header = Header::control(Kind::Hello, len);
        let refused = Header::decode(&header.encode(), MAX_HANDSHAKE_BODY).map_err(HandshakeError::from);
        let oversized = HandshakeError::Oversized {
            len: u64::from(len) + HEADER_LEN as u64,
        };
        assert_eq!(refused.unwrap_err(), oversized);
        // And by an owner that decoded it with a limit of its own.
        let (mut worker, _) = Handshake::worker(&key(), worker_hello());
        assert_eq!(worker.receive(&header, &[]), Err(oversized));
    }
    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    let header = Header::control(Kind::Hello, 88);
    let body = vec![0; MAX_HANDSHAKE_BODY as usize + 1];
    assert_eq!(
        worker.receive(&header, &body),
        Err(HandshakeError::Oversized { len: 257 })
    );
    assert_eq!(
        HandshakeError::from(FrameError::UnknownKind { kind: 0 }),
        HandshakeError::Malformed,
        "what is no frame at all"
    );
}

#[test]
fn any_other_frame_than_the_one_that_is_due_is_refused() {
    let session = session(&key(), supervisor_hello(), worker_hello());
    let (worker_said, _) = session.answer.split_at(HEADER_LEN + Hello::LEN);
    type Start<'a> = (&'a dyn Fn() -> Handshake, &'a [u8], Kind, &'static str);
    let starts: [Start<'_>; 4] = [
        (
            &|| Handshake::supervisor(&key(), supervisor_hello()).0,
            &[],
            Kind::Hello,
            "a hello",
        ),
        (
            &|| Handshake::supervisor(&key(), supervisor_hello()).0,
            worker_said,
            Kind::Proof,
            "a proof",
        ),
        (
            &|| Handshake::worker(&key(), worker_hello()).0,
            &[],
            Kind::Hello,
            "a hello",
        ),
        (
            &|| Handshake::worker(&key(), worker_hello()).0,
            &session.hello,
            Kind::Proof,
            "a proof",
        ),
    ];
    for (start, said, due, state) in starts {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != due) {
            let mut side = start();
            assert!(feed(&mut side, said).is_ok());
            let refused = side.receive(&Header::control(kind, 0), &[]);
            assert_eq!(refused, Err(HandshakeError::Unexpected { kind, state }));
        }
    }
}

#[test]
fn nothing_is_taken_after_the_end() {
    let session = session(&key(), supervisor_hello(), worker_hello());
    let over = |side: &mut Handshake| {
        for bytes in [&session.hello, &session.answer, &session.proof] {
            let refused = feed(side, bytes);
            assert!(
                matches!(refused, Err(HandshakeError::Unexpected { state: "nothing", .. })),
                "{refused:?}"
            );
        }
    };
    let (mut supervisor, _) = Handshake::supervisor(&key(), supervisor_hello());
    assert!(matches!(
        feed(&mut supervisor, &session.answer),
        Ok(Progress::Done { .. })
    ));
    over(&mut supervisor);

    let (mut worker, _) = Handshake::worker(&key(), worker_hello());
    assert!(feed(&mut worker, &session.hello).is_ok());
    assert!(matches!(
        feed(&mut worker, &session.proof),
        Ok(Progress::Done { .. })
    ));
    over(&mut worker);

    let (mut failed, _) = Handshake::worker(&key(), worker_hello());
    assert!(feed(&mut failed, &frame(Kind::Hello, b"")).is_err());
    over(&mut failed);
}

#[test]
fn no_formatting_shows_a_key() {
    let (handshake, _) = Handshake::supervisor(&key(), supervisor_hello());
    assert_eq!(format!("{:?}", key()), "Key(..)");
    assert!(!format!("{handshake:?}").contains("Key"), "{handshake:?}");
}

#[test]
fn every_error_reads_on_behind_a_colon() {
    let build = supervisor_hello().build;
    let errors = [
        HandshakeError::WrongMagic,
        HandshakeError::WrongVersion { ours: 1, theirs: 2 },
        HandshakeError::WrongRole { wanted: Role::Worker },
        HandshakeError::WrongRole {
            wanted: Role::Supervisor,
        },
        HandshakeError::OtherBuild {
            ours: build,
            theirs: build,
        },
        HandshakeError::OtherCodec { ours: 1, theirs: 2 },
        HandshakeError::WrongSlot { ours: 1, theirs: 2 },
        HandshakeError::WrongGeneration { ours: 1, theirs: 2 },
        HandshakeError::BadProof,
        HandshakeError::Unexpected {
            kind: Kind::Call,
            state: "a proof",
        },
        HandshakeError::Oversized { len: 257 },
        HandshakeError::Malformed,
    ];
    for error in errors {
        let text = error.to_string();
        assert!(
            text.starts_with(char::is_lowercase) && !text.ends_with('.'),
            "{text}"
        );
    }
}
