//! What a frame costs beside its body: writing headers, and walking a full buffer of frames.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pexec_proto::{Frames, Header, Kind};

const FRAMES: u64 = 1000;

fn headers(out: &mut Vec<u8>, body: &[u8]) {
    for task in 0..FRAMES {
        let header = Header::task(Kind::Value, body.len() as u32, (task % 64) as u16, task);
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(body);
    }
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames");
    group.throughput(Throughput::Elements(FRAMES));
    for len in [8, 256] {
        let body = vec![7; len];
        let mut buffer = Vec::new();
        headers(&mut buffer, &body);
        group.bench_function(format!("write, bodies of {len} bytes"), |b| {
            let mut out = Vec::with_capacity(buffer.len());
            b.iter(|| {
                out.clear();
                headers(&mut out, black_box(&body));
                black_box(&out);
            });
        });
        group.bench_function(format!("walk, bodies of {len} bytes"), |b| {
            b.iter(|| {
                Frames::new(black_box(&buffer), 1 << 20)
                    .map(|frame| {
                        let frame = frame.expect("a frame as written");
                        frame.header.task + frame.body.len() as u64
                    })
                    .sum::<u64>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
