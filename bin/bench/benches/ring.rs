//! What the shared-memory ring costs: messages written, published and read by one thread (no CPU waits for
//! another), and a stream from one thread to another.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pexec_ipc::ring::{Direction, Reader, Writer};
use pexec_ipc::segment::Segment;

fn ends() -> (Writer, Reader) {
    let (segment, memfd) = Segment::create().expect("a segment");
    let theirs = Segment::open(&memfd).expect("the same segment");
    (
        Writer::new(segment, Direction::Calls),
        Reader::new(theirs, Direction::Calls),
    )
}

/// Many small messages of one publication: what coalescing leaves of the cost of each.
fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring, one thread");
    for (count, len) in [(1_u64, 24_usize), (1000, 24), (1, 64 << 10)] {
        let (mut writer, mut reader) = ends();
        let message = vec![7; len];
        let mut got = vec![0; len * count as usize];
        group.throughput(Throughput::Bytes(got.len() as u64));
        group.bench_function(format!("{count} x {len} bytes"), |b| {
            b.iter(|| {
                for _ in 0..count {
                    let written = writer.write(black_box(&message)).expect("a sound ring");
                    assert_eq!(written, len);
                }
                assert!(!writer.publish(), "nobody sleeps");
                let read = reader.read(&mut got).expect("a sound ring");
                assert_eq!(read, got.len());
                black_box(&got);
            });
        });
    }
    group.finish();
}

/// A stream between two threads that wait for each other on the ring's own words.
fn stream(c: &mut Criterion) {
    const BYTES: usize = 8 << 20;
    let mut group = c.benchmark_group("ring, two threads");
    group.throughput(Throughput::Bytes(BYTES as u64));
    for len in [64_usize, 4 << 10, 64 << 10] {
        group.bench_function(format!("8 MiB in messages of {len} bytes"), |b| {
            b.iter(|| {
                let (mut writer, mut reader) = ends();
                std::thread::scope(|scope| {
                    scope.spawn(move || {
                        let message = vec![7; len];
                        let mut left = BYTES;
                        while left > 0 {
                            let part = writer.write(&message).expect("a sound ring");
                            left -= part.min(left);
                            if writer.publish() {
                                writer.wake_reader();
                            }
                            if part == 0 {
                                writer.sleep().expect("a sound ring");
                            }
                        }
                    });
                    let (mut got, mut left) = (vec![0; 64 << 10], BYTES);
                    while left > 0 {
                        let part = reader.read(&mut got).expect("a sound ring");
                        left -= part.min(left);
                        if reader.writer_waits() {
                            reader.wake_writer();
                        }
                        if part == 0 {
                            reader.sleep(None);
                        }
                    }
                });
            });
        });
    }
    group.finish();
}

/// A new segment: what a worker's channel costs at its start.
fn segment(c: &mut Criterion) {
    c.bench_function("ring, create a segment", |b| {
        b.iter(|| {
            let (segment, _memfd) = Segment::create().expect("a segment");
            Arc::strong_count(&segment)
        });
    });
}

criterion_group!(benches, messages, stream, segment);
criterion_main!(benches);
