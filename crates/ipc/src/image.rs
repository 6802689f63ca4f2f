//! What the loader knows of this program's own image.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

struct Query {
    anchor: usize,
    from: usize,
    to: usize,
    found: bool,
}

/// Whether `len` bytes at `address` are mapped constant data of the very object (program or library) that
/// `anchor` lies in: readable, not executable, and never written after start-up.
pub fn is_constant_data(anchor: usize, address: usize, len: usize) -> bool {
    let Some(to) = address.checked_add(len) else {
        return false;
    };
    let mut query = Query {
        anchor,
        from: address,
        to,
        found: false,
    };
    // SAFETY: the callback has the signature that the call wants, is given a pointer to `query`, which outlives the
    // call, and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut query).cast()) };
    query.found
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, query: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid object for the duration of the call.
    let info = unsafe { &*info };
    // SAFETY: this is the pointer to `query` that `is_constant_data` passed and holds exclusively.
    let query = unsafe { &mut *query.cast::<Query>() };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader gives this many program headers at this address, which stay mapped while it iterates.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let covers = |header: &libc::Elf64_Phdr, from: usize, to: usize| {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        start <= from && to <= start.wrapping_add(header.p_memsz as usize)
    };
    let loads = |from, to| {
        headers
            .iter()
            .find(|h| h.p_type == libc::PT_LOAD && covers(h, from, to))
    };
    if loads(query.anchor, query.anchor.wrapping_add(1)).is_none() {
        return 0;
    }
    if let Some(segment) = loads(query.from, query.to) {
        let relro = headers
            .iter()
            .any(|h| h.p_type == libc::PT_GNU_RELRO && covers(h, query.from, query.to));
        query.found = segment.p_flags & libc::PF_R != 0
            && segment.p_flags & libc::PF_X == 0
            && (segment.p_flags & libc::PF_W == 0 || relro);
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    static HERE: [fn(); 1] = [code];
    static WRITTEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(7);
    fn code() {}

    #[test]
    fn constant_data_is_told_from_code_heap_stack_and_variables() {
        let anchor = HERE.as_ptr().addr();
        assert!(is_constant_data(anchor, anchor, 8));
        let function = code as fn() as usize;
        assert!(!is_constant_data(anchor, function, 1));
        let boxed = Box::new(1u64);
        assert!(!is_constant_data(anchor, std::ptr::from_ref(&*boxed).addr(), 8));
        assert!(!is_constant_data(anchor, (&raw const anchor).addr(), 8));
        assert!(!is_constant_data(anchor, std::ptr::from_ref(&WRITTEN).addr(), 8));
        assert!(!is_constant_data(anchor, 0, 8));
        assert!(!is_constant_data(anchor, usize::MAX, 8));
        assert!(!is_constant_data(anchor, anchor, usize::MAX / 2));
    }
}
