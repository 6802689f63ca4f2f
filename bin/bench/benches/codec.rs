//! What a value costs to encode and to decode: a small argument list, a number, a mebibyte.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pexec_proto::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn both<T: Serialize + DeserializeOwned + 'static>(c: &mut Criterion, name: &str, value: &T) {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes).expect("a value that can be encoded");
    let mut group = c.benchmark_group(format!("codec/{name}"));
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    let mut out = Vec::with_capacity(bytes.len());
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            codec::encode(black_box(value), &mut out).expect("a value that can be encoded");
            black_box(&out);
        });
    });
    group.bench_function("decode_typed", |b| {
        b.iter(|| codec::decode_typed::<T>(black_box(&bytes)).expect("its own bytes"));
    });
    group.bench_function("decode_owned", |b| {
        b.iter_batched(
            || bytes.clone(),
            |bytes| codec::decode_owned::<T>(bytes).expect("its own bytes"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn codec(c: &mut Criterion) {
    both(c, "u64", &123_456_789_u64);
    let bytes: Vec<u8> = (0..64).collect();
    both(
        c,
        "arguments",
        &(42_000_000_u64, "input/file-0001.txt".to_owned(), bytes),
    );
    let bytes: Vec<u8> = (0..1_u32 << 20).map(|i| (i * 31 + 7) as u8).collect();
    both(c, "Vec<u8> 1 MiB", &bytes);
    both(c, "ByteBuf 1 MiB", &serde_bytes::ByteBuf::from(bytes));
}

criterion_group!(benches, codec);
criterion_main!(benches);
