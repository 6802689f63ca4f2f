//! Which instance of an earlier start an instance of a resumed run is.
//!
//! The key says what an instance is; its index may be another one since the job file was edited. Two instances may
//! have one key: each is then taken once in a segment, those that did not succeed first come, first served.

use std::collections::HashMap;

use super::Instance;

/// Instances of earlier segments by what they are; made when a record is resumed, empty before.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    by_key: HashMap<u128, Vec<u32>>,
    by_place: HashMap<(u32, u64), u32>,
}

impl Earlier {
    /// A new segment begins after these.
    pub(super) fn of(instances: &[Instance]) -> Earlier {
        let mut earlier = Earlier::default();
        // Taken from the end of each list: the first of them first.
        for (at, instance) in instances.iter().enumerate().rev() {
            if instance.state.is_success() {
                continue;
            }
            match instance.key {
                0 => drop(
                    earlier
                        .by_place
                        .insert((instance.task, instance.index), at as u32),
                ),
                key => earlier.by_key.entry(key).or_default().push(at as u32),
            }
        }
        earlier
    }

    /// The one that this is, which nobody else is from now on.
    pub(super) fn take(&mut self, key: u128, task: u32, index: u64) -> Option<u32> {
        match key {
            0 => self.by_place.remove(&(task, index)),
            key => self.by_key.get_mut(&key)?.pop(),
        }
    }
}
