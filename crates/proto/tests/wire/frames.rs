//! Headers and the walk over a buffer: limits, unknown bytes, incomplete frames.

use pexec_proto::frame::KNOWN_FLAGS;
use pexec_proto::{Direction, FrameError, Frames, HEADER_LEN, Header, Kind, Role, Stage};

use crate::peers::frame;
use crate::seeded::Seeded;

fn bytes(len: u32, kind: u8, flags: u8) -> [u8; HEADER_LEN] {
    let mut bytes = Header::task(Kind::Call, len, 1, 2).encode();
    bytes[4] = kind;
    bytes[5] = flags;
    bytes
}

#[test]
fn any_header_survives_the_way() {
    let mut seeded = Seeded::new(1);
    for _ in 0..100_000 {
        let kind = Kind::ALL[seeded.below(Kind::ALL.len())];
        let header = Header::task(kind, seeded.next() as u32, seeded.next() as u16, seeded.next());
        assert_eq!(Header::decode(&header.encode(), u32::MAX), Ok(header));
        assert_eq!(header.frame_len(), HEADER_LEN + header.len as usize);
    }
}

#[test]
fn every_unknown_kind_is_refused() {
    for kind in 0..=u8::MAX {
        match Kind::from_byte(kind) {
            Some(known) => assert_eq!(known as u8, kind),
            None => {
                assert!(kind == 0 || kind > 15);
                assert_eq!(
                    Header::decode(&bytes(0, kind, 0), 64),
                    Err(FrameError::UnknownKind { kind })
                );
            }
        }
    }
    assert_eq!(
        Kind::ALL.map(|kind| Kind::from_byte(kind as u8)),
        Kind::ALL.map(Some)
    );
}

#[test]
fn every_unknown_flag_is_refused() {
    assert_eq!(KNOWN_FLAGS, 0);
    for flags in 1..=u8::MAX {
        for kind in Kind::ALL {
            let refused = Header::decode(&bytes(0, kind as u8, flags), 64);
            assert_eq!(refused, Err(FrameError::UnknownFlags { flags }));
        }
    }
}

#[test]
fn a_body_may_be_empty_and_as_long_as_the_limit_and_no_longer() {
    for limit in [0, 1, 1024, 1 << 31, u32::MAX] {
        for len in [
            0,
            1,
            limit.saturating_sub(1),
            limit,
            limit.saturating_add(1),
            1 << 31,
            u32::MAX,
        ] {
            let decoded = Header::decode(&bytes(len, Kind::Call as u8, 0), limit);
            if len <= limit {
                assert_eq!(decoded.unwrap().len, len);
            } else {
                assert_eq!(decoded, Err(FrameError::TooLong { len, limit }));
            }
        }
    }
}

#[test]
fn the_walk_refuses_a_long_body_when_its_header_is_there_and_the_body_is_not() {
    for len in [1025, 1 << 31, u32::MAX] {
        let buffer = bytes(len, Kind::Value as u8, 0);
        let mut frames = Frames::new(&buffer, 1024);
        let refused = FrameError::TooLong { len, limit: 1024 };
        assert_eq!(frames.pending(), Err(refused));
        assert_eq!(frames.next(), Some(Err(refused)));
        assert_eq!(frames.next(), None, "nobody knows where the next frame starts");
        assert_eq!(frames.used(), 0);
    }
}

#[test]
fn the_walk_keeps_the_boundaries_of_messages_empty_ones_too() {
    let buffer = [
        frame(Kind::Value, b"one"),
        frame(Kind::Ready, b""),
        frame(Kind::Emit, b""),
        frame(Kind::Value, b"four"),
    ]
    .concat();
    let mut frames = Frames::new(&buffer, 16);
    let walked: Vec<_> = frames
        .by_ref()
        .map(|f| f.map(|f| (f.header.kind, f.body)).unwrap())
        .collect();
    let sent: [(Kind, &[u8]); 4] = [
        (Kind::Value, b"one"),
        (Kind::Ready, b""),
        (Kind::Emit, b""),
        (Kind::Value, b"four"),
    ];
    assert_eq!(walked, sent);
    assert_eq!(frames.used(), buffer.len());
    assert!(frames.rest().is_empty());
}

#[test]
fn a_stream_cut_at_any_byte_is_walked_as_if_it_were_whole() {
    let sent = [
        frame(Kind::Call, &[7; 40]),
        frame(Kind::Stop, b""),
        frame(Kind::Call, &[8; 3]),
    ]
    .concat();
    let whole: Vec<_> = Frames::new(&sent, 64).map(Result::unwrap).collect();
    for cut in 0..=sent.len() {
        let mut first = Frames::new(&sent[..cut], 64);
        let mut walked: Vec<_> = first.by_ref().map(Result::unwrap).collect();
        let used = first.used();
        assert!(used <= cut);
        assert_eq!(first.rest(), &sent[used..cut]);
        match first.pending() {
            Ok(Some(header)) => assert!(cut - used < header.frame_len()),
            Ok(None) => assert!(cut - used < HEADER_LEN),
            Err(error) => panic!("{error}"),
        }
        walked.extend(Frames::new(&sent[used..], 64).map(Result::unwrap));
        assert_eq!(walked, whole, "cut at {cut}");
    }
}

#[test]
fn the_limit_can_change_between_two_frames() {
    let buffer = [frame(Kind::Proof, &[0; 32]), frame(Kind::Setup, &[0; 300])].concat();
    let mut frames = Frames::new(&buffer, 240);
    assert!(frames.next().unwrap().is_ok());
    assert_eq!(
        frames.pending(),
        Err(FrameError::TooLong { len: 300, limit: 240 })
    );
    frames.set_limit(1024);
    assert_eq!(frames.next().unwrap().unwrap().body.len(), 300);
}

#[test]
fn each_kind_is_allowed_to_one_side_at_its_stage_only() {
    use Kind::*;
    use Stage::*;
    let table: [(Stage, &[Kind], &[Kind]); 3] = [
        (Stage::Handshake, &[Hello, Proof], &[Hello, Proof]),
        (
            Stage::Setup,
            &[Kind::Setup, Descriptors, Stop],
            &[Ready, Refused, Trace, Leaving],
        ),
        (
            Serving,
            &[Call, Context, Batch, Descriptors, Stop, Fork],
            &[
                Value,
                Failure,
                Skipped,
                Emit,
                Kind::Progress,
                Trace,
                Timing,
                Descriptors,
                Leaving,
                Forked,
            ],
        ),
    ];
    for (stage, supervisor, worker) in table {
        for kind in Kind::ALL {
            assert_eq!(
                kind.allowed(Role::Supervisor, stage),
                supervisor.contains(&kind),
                "{kind:?} {stage:?}"
            );
            assert_eq!(
                kind.allowed(Role::Worker, stage),
                worker.contains(&kind),
                "{kind:?} {stage:?}"
            );
        }
    }
    for kind in Kind::ALL {
        let sent_by = |role| {
            [Stage::Handshake, Stage::Setup, Serving]
                .iter()
                .any(|s| kind.allowed(role, *s))
        };
        let (supervisor, worker) = (sent_by(Role::Supervisor), sent_by(Role::Worker));
        assert_eq!(
            kind.direction() == Direction::Both,
            supervisor && worker,
            "{kind:?}"
        );
        assert_eq!(
            kind.direction() == Direction::ToWorker,
            supervisor && !worker,
            "{kind:?}"
        );
        assert_eq!(
            kind.direction() == Direction::ToSupervisor,
            worker && !supervisor,
            "{kind:?}"
        );
    }
}
