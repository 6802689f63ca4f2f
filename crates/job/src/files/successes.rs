//! What earlier runs have made, as far as their records tell.

use std::collections::{HashMap, HashSet};

use super::Content;
use crate::event::{Event, Kind, Outcome, Who};
use crate::key::Key;
use crate::record::{Events, Store};

/// How many records are looked through, the newest first: whoever has run a job so often without a success knows.
const RECORDS: usize = 16;

/// The last success of each instance that said what its files held.
#[derive(Clone, Debug, Default)]
pub struct Successes {
    contents: HashMap<Key, Content>,
    /// Tasks and items that had such a success, whatever their command was.
    places: HashSet<u64>,
}

impl Successes {
    /// From the records of a store, as many as are needed to know `wanted` instances. What cannot be read is passed
    /// over: an instance of which nothing is known runs.
    pub fn read(store: &Store, wanted: u64) -> Successes {
        let mut all = Successes::default();
        let records = store.list().unwrap_or_default();
        for record in records.iter().rev().take(RECORDS) {
            if all.contents.len() as u64 >= wanted {
                break;
            }
            let Ok(events) = record.events().map(Events::ends) else {
                continue;
            };
            let mut of_run = Successes::default();
            for event in events {
                match event {
                    Ok(event) => of_run.learn(&event),
                    Err(_) => break,
                }
            }
            for (key, content) in of_run.contents {
                all.contents.entry(key).or_insert(content);
            }
            all.places.extend(of_run.places);
        }
        all
    }

    /// Takes in what happened; later events count more.
    pub fn learn(&mut self, event: &Event) {
        if let Kind::Finished { who, end, .. } = &event.kind
            && matches!(end.outcome, Outcome::Success | Outcome::UpToDate)
            && let (Some(key), Some(content)) = (who.key, &end.content)
            && let Some(content) = Content::from_hex(content)
        {
            self.contents.insert(key, content);
            self.places.insert(place(who));
        }
    }

    /// What the files held at the last success.
    pub fn content(&self, key: &Key) -> Option<Content> {
        self.contents.get(key).copied()
    }

    /// The task had a success for this item, with this or another command.
    pub fn knows(&self, who: &Who) -> bool {
        self.places.contains(&place(who))
    }
}

fn place(who: &Who) -> u64 {
    let mut digest = blake3::Hasher::new();
    digest.update(&(who.task.len() as u64).to_le_bytes());
    digest.update(who.task.as_bytes());
    if let Some(item) = &who.item {
        digest.update(&[1]);
        digest.update(item.as_bytes());
    }
    let mut place = [0; 8];
    place.copy_from_slice(&digest.finalize().as_bytes()[..8]);
    u64::from_le_bytes(place)
}
