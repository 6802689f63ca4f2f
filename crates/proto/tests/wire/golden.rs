//! The exact bytes of everything on the wire. They were worked out by other means than this crate's code (proofs and
//! hellos with Python's `struct`, `hmac` and `hashlib`, values by hand from bincode's specification), and a change
//! here is a new protocol version or a new codec number.

use std::collections::BTreeMap;

use pexec_proto::codec;
use pexec_proto::trace::{Site, SiteRef, Trace, TraceValue};
use pexec_proto::{
    BuildId, Context, Forked, FunctionRef, Handshake, Header, Kind, Limits, PanicInfo, Progress, Refused,
    Setup, WorkerFailure,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::peers::{feed, key, supervisor_hello, worker_hello};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

#[track_caller]
fn assert_value<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, golden: &str) {
    let mut bytes = Vec::new();
    codec::encode(&value, &mut bytes).unwrap();
    assert_eq!(hex(&bytes), hex(&unhex(golden)), "encoding {value:?}");
    assert_eq!(codec::decode::<T>(&unhex(golden)).unwrap(), value);
}

#[test]
fn a_header_of_every_kind_has_its_golden_bytes() {
    let golden = [
        (Kind::Hello, "67452301 01 00 cdab efcdab9078563412"),
        (Kind::Proof, "67452301 02 00 cdab efcdab9078563412"),
        (Kind::Setup, "67452301 03 00 cdab efcdab9078563412"),
        (Kind::Ready, "67452301 04 00 cdab efcdab9078563412"),
        (Kind::Refused, "67452301 05 00 cdab efcdab9078563412"),
        (Kind::Call, "67452301 06 00 cdab efcdab9078563412"),
        (Kind::Value, "67452301 07 00 cdab efcdab9078563412"),
        (Kind::Failure, "67452301 08 00 cdab efcdab9078563412"),
        (Kind::Skipped, "67452301 09 00 cdab efcdab9078563412"),
        (Kind::Emit, "67452301 0a 00 cdab efcdab9078563412"),
        (Kind::Stop, "67452301 0b 00 cdab efcdab9078563412"),
        (Kind::Leaving, "67452301 0c 00 cdab efcdab9078563412"),
        (Kind::Context, "67452301 0d 00 cdab efcdab9078563412"),
        (Kind::Progress, "67452301 0e 00 cdab efcdab9078563412"),
        (Kind::Batch, "67452301 0f 00 cdab efcdab9078563412"),
        (Kind::Descriptors, "67452301 10 00 cdab efcdab9078563412"),
        (Kind::Trace, "67452301 11 00 cdab efcdab9078563412"),
        (Kind::Fork, "67452301 12 00 cdab efcdab9078563412"),
        (Kind::Forked, "67452301 13 00 cdab efcdab9078563412"),
        (Kind::Timing, "67452301 14 00 cdab efcdab9078563412"),
    ];
    assert_eq!(golden.map(|(kind, _)| kind), Kind::ALL);
    for (kind, golden) in golden {
        let header = Header::task(kind, 0x0123_4567, 0xabcd, 0x1234_5678_90ab_cdef);
        assert_eq!(hex(&header.encode()), hex(&unhex(golden)));
        assert_eq!(
            Header::decode(&unhex(golden).try_into().unwrap(), u32::MAX),
            Ok(header)
        );
    }
}

#[test]
fn a_whole_handshake_has_its_golden_bytes() {
    let (mut supervisor, hello) = Handshake::supervisor(&key(), supervisor_hello());
    assert_eq!(
        hex(&hello),
        hex(&unhex(
            "58000000 01 00 0000 0000000000000000
             8970657865630d0a 0100 01 00 0102 0000 0000004000000000
             b0b1b2b3b4b5b6b7b8b9babbbcbdbebf 03000000 34120000 0500000000000000
             a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
        ))
    );
    let (mut worker, nothing) = Handshake::worker(&key(), worker_hello());
    assert!(nothing.is_empty());
    let Ok(Progress::Continue(answer)) = feed(&mut worker, &hello) else {
        panic!("the worker refused")
    };
    assert_eq!(
        hex(&answer),
        hex(&unhex(
            "58000000 01 00 0000 0000000000000000
             8970657865630d0a 0100 02 00 0102 0000 0000001000000000
             b0b1b2b3b4b5b6b7b8b9babbbcbdbebf 03000000 78560000 0500000000000000
             5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
             20000000 02 00 0000 0000000000000000
             2369142a64107eb22c0a35c0bbc9ddd654c2af11b6cc0f4a589daeeaa596cb0d"
        ))
    );
    let Ok(Progress::Done { send, .. }) = feed(&mut supervisor, &answer) else {
        panic!("the supervisor refused")
    };
    assert_eq!(
        hex(&send),
        hex(&unhex(
            "20000000 02 00 0000 0000000000000000
             211163b3cba65b651566527311922f223f26c2e243b1c20e281ab089171ac81c"
        ))
    );
}

#[test]
fn a_setup_has_its_golden_bytes() {
    let setup = Setup {
        slot: 3,
        generation: 300,
        pool: "p".into(),
        max_message: 1 << 30,
        depth: 1,
        initializer: Some(vec![1, 2, 3]),
        finalizer: Some(vec![4]),
        limits: Some(Limits {
            address_space: Some(1 << 30),
            cpu_ms: Some(1000),
            open_files: None,
            core: Some(0),
        }),
        nice: Some(-1),
        cpus: Some(vec![0, 2]),
        capture: Some([0xaa; 16]),
        trace: Some(3),
        frugal: false,
        template: true,
    };
    assert_value(
        setup.clone(),
        "03 fb2c01 01 70 fc00000040 01 01 03 010203 01 01 04 01 01fc00000040 01fbe803 00 0100 01 01 01 02 00 02 01
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 01 03 00 01",
    );
    assert_value(
        Setup {
            initializer: None,
            finalizer: None,
            limits: None,
            nice: None,
            cpus: None,
            capture: None,
            trace: None,
            frugal: true,
            template: false,
            ..setup
        },
        "03 fb2c01 01 70 fc00000040 01 00 00 00 00 00 00 00 01 00",
    );
}

#[test]
fn what_a_template_says_has_its_golden_bytes() {
    assert_value(Forked { refused: None }, "00");
    assert_value(
        Forked {
            refused: Some("no".into()),
        },
        "01 02 6e6f",
    );
}

#[test]
fn a_trace_has_its_golden_bytes() {
    let site = Site {
        name: "n".into(),
        target: "t".into(),
        level: 3,
        module: None,
        file: Some("f".into()),
        line: Some(7),
        fields: vec!["a".into()],
        span: false,
    };
    let event = Trace::Event {
        span: Some(2),
        site: SiteRef {
            number: 1,
            site: Some(Box::new(site)),
        },
        values: vec![(0, TraceValue::Bool(true)), (0, TraceValue::Shown("x".into()))],
    };
    assert_value(
        event,
        "02 01 02 01 01 01 6e 01 74 03 00 01 01 66 01 07 01 01 61 00 02 00 00 01 00 07 01 78",
    );
    assert_value(Trace::Lost { count: 5 }, "04 05");
    assert_value(Trace::Close { span: 9 }, "03 09");
    let number = |value| Trace::Record {
        span: 1,
        values: vec![(4, value)],
    };
    assert_value(number(TraceValue::I64(-1)), "01 01 01 04 01 01");
    assert_value(number(TraceValue::U64(2)), "01 01 01 04 02 02");
    assert_value(number(TraceValue::F64(0.5)), "01 01 01 04 05 000000000000e03f");
    assert_value(number(TraceValue::Str("y".into())), "01 01 01 04 06 01 79");
}

#[test]
fn a_context_has_its_golden_bytes() {
    let context = Context {
        label: Some("l".into()),
        attempt: 2,
        timeout_ms: Some(1000),
        limits: Some(Limits {
            open_files: Some(7),
            ..Limits::default()
        }),
        timed: true,
    };
    assert_value(context, "01 01 6c 02 01 fbe803 01 00 00 01 07 00 01");
    assert_value(
        Context {
            label: None,
            attempt: 1,
            timeout_ms: None,
            limits: None,
            timed: false,
        },
        "00 01 00 00 00",
    );
}

#[test]
fn a_refusal_has_its_golden_bytes() {
    assert_value(Refused { reason: "no".into() }, "02 6e6f");
}

#[test]
fn every_worker_failure_has_its_golden_bytes() {
    let panic = PanicInfo {
        message: "m".into(),
        location: "a.rs:1:2".into(),
        backtrace: None,
        thread: "main".into(),
    };
    assert_value(
        WorkerFailure::Panicked(panic.clone()),
        "00 01 6d 08 612e72733a313a32 00 04 6d61696e",
    );
    let panic = PanicInfo {
        backtrace: Some("b".into()),
        ..panic
    };
    assert_value(
        WorkerFailure::Panicked(panic),
        "00 01 6d 08 612e72733a313a32 01 01 62 04 6d61696e",
    );
    assert_value(WorkerFailure::Encode("e".into()), "01 01 65");
    assert_value(WorkerFailure::Decode("d".into()), "02 01 64");
    assert_value(
        WorkerFailure::TooLarge {
            size: 1 << 32,
            limit: 251,
        },
        "03 fd0000000001000000 fbfb00",
    );
    assert_value(WorkerFailure::UnknownFunction("f".into()), "04 01 66");
    assert_value(WorkerFailure::Poisoned("p".into()), "05 01 70");
}

#[test]
fn a_function_reference_has_its_golden_bytes() {
    let reference = FunctionRef {
        offset: -2,
        type_hash: 0x0123_4567_89ab_cdef,
    };
    let golden = unhex("feffffffffffffff efcdab8967452301");
    assert_eq!(hex(&reference.encode()), hex(&golden));
    assert_eq!(FunctionRef::decode(&golden.try_into().unwrap()), reference);
}

#[test]
fn a_build_identity_has_its_golden_bytes() {
    assert_eq!(
        BuildId::of(&[b"pexec", b"", b"1.0"]).to_string(),
        "6cb2abdf1a8ae442287af28aa7f7e833"
    );
}

#[test]
fn values_have_their_golden_bytes() {
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    enum Shape {
        Empty,
        Round(f32),
        Box { w: u8, h: i16 },
        Pair(bool, char),
    }
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Wrapped(u32);

    assert_value((), "");
    assert_value(true, "01");
    assert_value(255u8, "ff");
    assert_value(-1i8, "ff");
    assert_value([0u64, 250, 251, 65_535, 65_536], "00 fa fbfb00 fbffff fc00000100");
    assert_value([1u64 << 32, u64::MAX], "fd0000000001000000 fdffffffffffffffff");
    assert_value([0i64, -1, 1, i64::MIN], "00 01 02 fdffffffffffffffff");
    assert_value(u128::MAX, "feffffffffffffffffffffffffffffffff");
    assert_value(1.5f64, "000000000000f83f");
    assert_value('é', "c3a9");
    assert_value(String::from("né"), "03 6ec3a9");
    assert_value(Some(7u8), "01 07");
    assert_value(None::<u8>, "00");
    assert_value(vec![1u16, 300], "02 01 fb2c01");
    assert_value((1u8, String::new(), 2u8), "01 00 02");
    assert_value(BTreeMap::from([(1u8, 'a'), (2, 'b')]), "02 01 61 02 62");
    assert_value(Wrapped(5), "05");
    assert_value(
        vec![
            Shape::Empty,
            Shape::Round(1.0),
            Shape::Box { w: 9, h: -3 },
            Shape::Pair(false, 'z'),
        ],
        "04 00 01 0000803f 02 09 05 03 00 7a",
    );
}
