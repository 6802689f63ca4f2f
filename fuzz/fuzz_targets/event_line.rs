//! Whatever a line of a record holds, it is refused or an event, and an event is worth what its line is worth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pexec_job::event::Event;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // With its checksum put right, too: else hardly anything gets beyond that.
    let body = text.rsplit_once(",\"crc\"").map_or(text, |(body, _)| body);
    let checked = format!("{body},\"crc\":\"{:08x}\"}}", crc(body.as_bytes()));
    for line in [text, &checked] {
        if let Ok(event) = Event::parse(line) {
            assert_eq!(Event::parse(&event.to_line()), Ok(event));
        }
    }
});

/// CRC-32C, bit by bit: another one than the one that is tested.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    };
    !bytes.iter().fold(!0, step)
}
