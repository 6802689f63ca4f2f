//! Large private memory without a page fault, or a page table's entry, for every 4 KiB. No state; what is advised belongs
//! to the caller's vector, or to whoever has mapped it: advice changes neither bytes nor rights.
#![allow(unsafe_code)]

use std::io::{self, BufRead, BufReader};
use std::ptr::{self, NonNull};

use nix::sys::mman::{MmapAdvise, madvise};
use nix::unistd::{SysconfVar, sysconf};

const HUGE_PAGE: usize = 2 << 20;
/// Below this the advice costs about what it saves.
const LARGE: usize = 4 << 20;

/// Makes room for `additional` more bytes, as `Vec::reserve_exact` does, and where that is much of it (4 MiB or more)
/// asks the kernel for huge pages there.
///
/// Call it before the first byte is written. Filling 64 fresh MiB takes 6 ms then instead of 30, on a system
/// whose huge pages are for those who ask (`transparent_hugepage` is `madvise`); elsewhere nothing changes.
///
/// # Panics
///
/// When the capacity would exceed `isize::MAX` bytes.
///
/// ```
/// let mut body = Vec::new();
/// pexec_ipc::memory::reserve_huge(&mut body, 64 << 20);
/// assert!(body.is_empty() && body.capacity() >= 64 << 20);
/// ```
pub fn reserve_huge(vec: &mut Vec<u8>, additional: usize) {
    if vec.capacity() - vec.len() >= additional {
        return;
    }
    vec.reserve_exact(additional);
    let room = vec.spare_capacity_mut();
    if room.len() < LARGE {
        return;
    }
    // Whole huge pages only: an advice on parts would cut the kernel's record of the memory in pieces for nothing.
    let base = NonNull::from(&mut *room).cast::<u8>();
    let skip = base.align_offset(HUGE_PAGE);
    let len = room.len().saturating_sub(skip) / HUGE_PAGE * HUGE_PAGE;
    if len == 0 {
        return;
    }
    // SAFETY: `skip + len` is at most the length of the room.
    let start = unsafe { base.add(skip) };
    // SAFETY: the range is within memory that the vector owns and lends exclusively. The advice changes no byte of it
    // and no right to it, and means nothing once the allocator gives the memory to somebody else.
    let _ = unsafe { madvise(start.cast(), len, MmapAdvise::MADV_HUGEPAGE) };
}

/// Gathers what lies in this process's large private mappings into huge pages, now. A fork then copies one entry of a
/// table for 2 MiB instead of 512, which for a GiB makes milliseconds, or a hundred, into next to nothing. Takes about
/// as long as to copy that memory once.
///
/// Where not nearly every page of 2 MiB is there, they are left alone: the holes would be filled. Where the kernel cannot
/// (before Linux 6.1) nothing changes.
pub fn gather_into_huge_pages() {
    // Less than all that can be gathered does no harm.
    for (from, len) in gatherable().unwrap_or_default() {
        // SAFETY: the range is of anonymous private memory of this process. The call moves it to other pages of the
        // machine, and changes neither a byte of it nor a right to it, whoever has it or gives it back meanwhile.
        unsafe { libc::madvise(ptr::without_provenance_mut(from), len, COLLAPSE) };
    }
}

/// `MADV_COLLAPSE`.
const COLLAPSE: libc::c_int = 25;

/// So many huge pages are looked at in one call: a mapping may be reserved for far more than is ever used of it.
const LOOKED_AT: usize = 64;

/// The ranges of huge pages that are anonymous, private, writable and nearly full, in large mappings.
///
/// Each huge page counts alone, not its mapping: the kernel makes one mapping of neighbours, full ones and empty ones.
fn gatherable() -> io::Result<Vec<(usize, usize)>> {
    let page = sysconf(SysconfVar::PAGE_SIZE)?.map_or(4096, |size| usize::try_from(size).unwrap_or(4096));
    let in_huge = HUGE_PAGE / page;
    let mut there = vec![0; LOOKED_AT * in_huge];
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for line in BufReader::new(std::fs::File::open("/proc/self/maps")?).lines() {
        let Some((from, to)) = heading(&line?).filter(|(from, to)| to - from >= LARGE) else {
            continue;
        };
        let mut from = from.next_multiple_of(HUGE_PAGE);
        while from + HUGE_PAGE <= to {
            let len = ((to - from) / HUGE_PAGE).min(LOOKED_AT) * HUGE_PAGE;
            // SAFETY: the call writes a byte for each page of the range, and there is room for that of `LOOKED_AT` huge
            // ones. Of the range itself it touches nothing, and says so when it is not mapped any more.
            let told = unsafe { libc::mincore(ptr::without_provenance_mut(from), len, there.as_mut_ptr()) };
            if told == 0 {
                for (at, pages) in (from..from + len).step_by(HUGE_PAGE).zip(there.chunks(in_huge)) {
                    if pages.iter().filter(|page| *page & 1 == 1).count() < in_huge / 16 * 15 {
                        continue;
                    }
                    match ranges.last_mut() {
                        Some((first, len)) if *first + *len == at => *len += HUGE_PAGE,
                        _ => ranges.push((at, HUGE_PAGE)),
                    }
                }
            }
            from += len;
        }
    }
    Ok(ranges)
}

/// The range of the mapping that this line describes; none of one of another kind.
fn heading(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let from = usize::from_str_radix(from, 16).ok()?;
    let to = usize::from_str_radix(to, 16).ok()?;
    let rights = fields.next()?;
    // Offset and device come before the file, and what has none may have a name: heap, stack, or one it was given.
    let file = fields.nth(2)?;
    let stack = fields.next().is_some_and(|name| name == "[stack]");
    let ours = rights == "rw-p" && file == "0" && !stack;
    ours.then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_memory_that_is_full_is_gathered_and_keeps_its_bytes() {
        let full: Vec<u8> = (0..=255).cycle().take(32 << 20).collect();
        let mut sparse: Vec<u8> = Vec::with_capacity(32 << 20);
        sparse.push(1);
        let holds = |ranges: &[(usize, usize)], vec: &Vec<u8>| {
            let middle = vec.as_ptr().addr() + vec.capacity() / 2;
            ranges
                .iter()
                .any(|(from, len)| (*from..from + len).contains(&middle))
        };
        let ranges = gatherable().unwrap();
        assert!(holds(&ranges, &full));
        assert!(!holds(&ranges, &sparse), "its holes would be filled");
        gather_into_huge_pages();
        assert!(full.iter().zip((0..=255).cycle()).all(|(a, b)| *a == b));
        assert!(!holds(&gatherable().unwrap(), &sparse));
    }

    #[test]
    fn a_full_part_of_a_mapping_is_gathered_and_its_empty_part_is_not() {
        let mut vec: Vec<u8> = Vec::with_capacity(64 << 20);
        vec.resize(32 << 20, 7);
        let start = vec.as_ptr().addr();
        let ranges = gatherable().unwrap();
        let held = |at: usize| ranges.iter().any(|(from, len)| (*from..from + len).contains(&at));
        assert!(held(start + (16 << 20)));
        assert!(!held(start + (48 << 20)));
    }

    #[test]
    fn only_what_is_nobodys_file_is_gathered() {
        assert_eq!(
            heading("7f0000000000-7f0000400000 rw-p 00000000 00:00 0 "),
            Some((0x7f00_0000_0000, 0x7f00_0040_0000))
        );
        for other in [
            "7f0000000000-7f0000400000 r--p 00000000 00:00 0 ",
            "7f0000000000-7f0000400000 rw-s 00000000 00:01 7 /memfd:x (deleted)",
            "7f0000000000-7f0000400000 rw-p 00000000 08:01 7 /usr/lib/x",
            "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 [stack]",
        ] {
            assert_eq!(heading(other), None, "{other}");
        }
    }

    /// The flags of the mapping that holds this address, as the kernel tells them.
    fn flags_at(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        for line in maps.lines() {
            if let Some((range, _)) = line.split_once(' ')
                && let Some((from, to)) = range.split_once('-')
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                here = from <= address && address < to;
            } else if here && line.starts_with("VmFlags:") {
                return line.to_owned();
            }
        }
        panic!("nothing is mapped there");
    }

    fn is_advised(address: usize) -> bool {
        flags_at(address).split_whitespace().any(|flag| flag == "hg")
    }

    #[test]
    fn a_large_buffer_is_advised_and_a_small_one_is_not() {
        let mut large = Vec::new();
        reserve_huge(&mut large, 64 << 20);
        // A kernel without huge pages knows no such advice.
        if std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            assert!(is_advised(large.as_ptr().addr() + (32 << 20)));
        }
        let mut small = Vec::new();
        reserve_huge(&mut small, 1 << 20);
        assert!(small.capacity() >= 1 << 20);
        assert!(!is_advised(small.as_ptr().addr()));
    }

    #[test]
    fn what_is_in_the_buffer_stays_and_room_that_is_there_is_used() {
        let mut vec: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
        let before = vec.clone();
        reserve_huge(&mut vec, 32 << 20);
        assert_eq!(vec, before);
        let (place, capacity) = (vec.as_ptr(), vec.capacity());
        reserve_huge(&mut vec, 32 << 20);
        assert_eq!((vec.as_ptr(), vec.capacity()), (place, capacity));
        vec.resize(37 << 20, 9);
        assert_eq!(vec[..5 << 20], before[..]);
        assert_eq!(vec.as_ptr(), place);
    }
}
