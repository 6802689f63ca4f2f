//! One figure: a line of JSON for scripts, or gathered for a table.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One figure of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) group: String,
    pub(crate) test: String,
    pub(crate) peer: String,
    pub(crate) metric: String,
    pub(crate) value: f64,
}

impl Record {
    pub(crate) fn new(test: &str, peer: &str, metric: &str, value: f64) -> Record {
        Record {
            group: "rs".to_owned(),
            test: test.to_owned(),
            peer: peer.to_owned(),
            metric: metric.to_owned(),
            value,
        }
    }

    /// A line of a program's output, where it is a record. Those of other pools get our names for the same things.
    pub(crate) fn parse(line: &str) -> Option<Record> {
        let mut record: Record = serde_json::from_str(line).ok()?;
        if record.peer == "mppool" {
            "multiprocessing.Pool".clone_into(&mut record.peer);
        }
        // Python's "to_worker_1KiB_GBps" of a peer is our "to_worker_GBps" of the peer with that size.
        if record.test == "payload" {
            let parts: Vec<&str> = record.metric.split('_').collect();
            if let [way, "worker", size, "GBps"] = parts[..] {
                let (peer, metric) = (format!("{} {size}", record.peer), format!("{way}_worker_GBps"));
                (record.peer, record.metric) = (peer, metric);
            }
        }
        Some(record)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// The records of files, in their order.
///
/// # Errors
///
/// Says which file cannot be read.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        records.extend(text.lines().filter_map(Record::parse));
    }
    Ok(records)
}

/// Where one test's figures go: each is printed at once, so that a test which is stopped leaves what it had.
pub(crate) struct Records {
    test: String,
}

impl Records {
    pub(crate) fn printing(test: &str) -> Records {
        Records {
            test: test.to_owned(),
        }
    }

    pub(crate) fn put(&mut self, peer: &str, metric: &str, value: f64) {
        println!("{}", Record::new(&self.test, peer, metric, value));
    }

    /// Median, 99th percentile and mean of nanosecond samples, in microseconds. Gives the median.
    pub(crate) fn put_latency(&mut self, peer: &str, mut ns: Vec<u64>) -> f64 {
        ns.sort_unstable();
        let at = |p: usize| ns[(ns.len() - 1) * p / 100] as f64 / 1e3;
        let mean = ns.iter().sum::<u64>() as f64 / ns.len() as f64 / 1e3;
        let (median, p99) = (at(50), at(99));
        self.put(peer, "p50_us", median);
        self.put(peer, "p99_us", p99);
        self.put(peer, "mean_us", mean);
        median
    }
}

/// The middle of some values; of an even number of them, the upper of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_line() {
        let record = Record::new("noop", "pexec \"submit\"", "tasks_per_s", 1.5);
        assert_eq!(Record::parse(&record.to_string()), Some(record));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for line in ["", "worker 3 is up", "{}", r#"{"group":"rs","test":"noop"}"#] {
            assert_eq!(Record::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_pools_own_name_for_a_payload_becomes_ours() {
        let line =
            r#"{"group":"py","test":"payload","peer":"mppool","metric":"from_worker_64MiB_GBps","value":2}"#;
        let record = Record::parse(line).expect("a record");
        assert_eq!(record.peer, "multiprocessing.Pool 64MiB");
        assert_eq!(record.metric, "from_worker_GBps");
    }
}
