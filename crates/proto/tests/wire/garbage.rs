//! Random and mutated bytes against every parser: an answer each time, and never a panic.

use pexec_proto::codec;
use pexec_proto::handshake::MAX_HANDSHAKE_BODY;
use pexec_proto::{
    Context, Frames, FunctionRef, Handshake, Header, Hello, Key, Kind, Progress, Refused, Setup,
    WorkerFailure,
};

use crate::codec_values::Rich;
use crate::peers::{feed, key, session, supervisor_hello, worker_hello};
use crate::seeded::Seeded;

const ROUNDS: usize = 100_000;

/// `bytes` with a few changes of the sort that breaks parsers.
fn mutate(seeded: &mut Seeded, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=seeded.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = seeded.below(bytes.len());
        match seeded.below(6) {
            0 => bytes[at] ^= 1 << seeded.below(8),
            1 => bytes[at] = [0, 1, 127, 128, 250, 251, 252, 253, 254, 255][seeded.below(10)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, seeded.next() as u8),
            4 => drop(bytes.remove(at)),
            _ => {
                let copy = bytes[at..].to_vec();
                bytes.extend(copy);
            }
        }
    }
    bytes
}

#[test]
fn random_bytes_are_walked_to_an_end_and_never_beyond() {
    let mut seeded = Seeded::new(0x5eed_0001);
    for _ in 0..ROUNDS {
        let bytes = seeded.bytes(200);
        let limit = 1 << seeded.below(32);
        let mut frames = Frames::new(&bytes, limit);
        let mut walked = 0;
        while let Some(Ok(frame)) = frames.next() {
            walked += frame.header.frame_len();
            assert_eq!(frame.body.len(), frame.header.len as usize);
            assert!(frame.header.len <= limit);
        }
        assert_eq!(frames.used(), walked);
        assert!(frames.used() <= bytes.len());
    }
}

#[test]
fn random_bytes_never_finish_a_handshake() {
    let mut seeded = Seeded::new(0x5eed_0002);
    for _ in 0..ROUNDS {
        let mut side = if seeded.below(2) == 0 {
            Handshake::supervisor(&key(), supervisor_hello()).0
        } else {
            Handshake::worker(&key(), worker_hello()).0
        };
        // A valid header, so that the body is looked at.
        let mut body = seeded.bytes(MAX_HANDSHAKE_BODY as usize);
        if body.len() > 8 {
            body[..8].copy_from_slice(&Hello::MAGIC);
        }
        let kind = Kind::ALL[seeded.below(3)];
        let outcome = side.receive(&Header::control(kind, body.len() as u32), &body);
        assert!(outcome.is_err(), "{body:02x?} was taken");
    }
}

#[test]
fn a_mutated_session_never_finishes_unless_it_is_the_recorded_one() {
    let mut seeded = Seeded::new(0x5eed_0003);
    let recorded = session(&key(), supervisor_hello(), worker_hello());
    let to_worker = [&recorded.hello[..], &recorded.proof].concat();
    for _ in 0..ROUNDS / 2 {
        let bytes = mutate(&mut seeded, recorded.answer.clone());
        let mut supervisor = Handshake::supervisor(&key(), supervisor_hello()).0;
        if let Ok(Progress::Done { .. }) = feed(&mut supervisor, &bytes) {
            assert!(bytes.starts_with(&recorded.answer), "{bytes:02x?} was believed");
        }
        let bytes = mutate(&mut seeded, to_worker.clone());
        let mut worker = Handshake::worker(&key(), worker_hello()).0;
        if let Ok(Progress::Done { .. }) = feed(&mut worker, &bytes) {
            assert!(bytes.starts_with(&to_worker), "{bytes:02x?} was believed");
        }
    }
}

#[test]
fn no_key_but_the_right_one_is_believed() {
    let mut seeded = Seeded::new(0x5eed_0004);
    for _ in 0..1000 {
        let guess = Key::from_bytes(std::array::from_fn(|_| seeded.next() as u8));
        let (mut supervisor, hello) = Handshake::supervisor(&key(), supervisor_hello());
        let mut worker = Handshake::worker(&guess, worker_hello()).0;
        let Ok(Progress::Continue(answer)) = feed(&mut worker, &hello) else {
            panic!()
        };
        assert!(feed(&mut supervisor, &answer).is_err());
    }
}

#[test]
fn random_bytes_decode_to_a_value_or_an_error() {
    let mut seeded = Seeded::new(0x5eed_0005);
    let mut values = 0;
    for _ in 0..ROUNDS {
        let bytes = seeded.bytes(64);
        values += usize::from(codec::decode::<Rich>(&bytes).is_ok());
        values += usize::from(codec::decode::<Setup>(&bytes).is_ok());
        values += usize::from(codec::decode::<Context>(&bytes).is_ok());
        values += usize::from(codec::decode::<Refused>(&bytes).is_ok());
        values += usize::from(codec::decode::<WorkerFailure>(&bytes).is_ok());
        values += usize::from(FunctionRef::split(&bytes).is_some());
    }
    assert!(
        values > 1000,
        "only {values} values: the bytes are too random to reach anything"
    );
}

#[test]
fn a_mutated_value_decodes_to_a_value_or_an_error() {
    let mut seeded = Seeded::new(0x5eed_0006);
    let mut bytes = Vec::new();
    codec::encode(&Rich::example(), &mut bytes).unwrap();
    let (mut values, mut errors) = (0, 0);
    for _ in 0..ROUNDS {
        match codec::decode::<Rich>(&mutate(&mut seeded, bytes.clone())) {
            Ok(_) => values += 1,
            Err(_) => errors += 1,
        }
    }
    assert!(values > 1000 && errors > 1000, "{values} values, {errors} errors");
}
