//! Figures: as records for scripts, or gathered for a table.

/// One figure of one run.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) test: String,
    pub(crate) peer: String,
    pub(crate) metric: String,
    pub(crate) value: f64,
}

/// What was measured.
#[derive(Default)]
pub(crate) struct Records {
    print: bool,
    test: String,
    pub(crate) all: Vec<Record>,
}

impl Records {
    /// Prints each as a line of JSON.
    pub(crate) fn printing() -> Records {
        Records {
            print: true,
            ..Records::default()
        }
    }

    pub(crate) fn begin(&mut self, test: &str) {
        test.clone_into(&mut self.test);
    }

    pub(crate) fn put(&mut self, peer: &str, metric: &str, value: f64) {
        let record = Record {
            test: self.test.clone(),
            peer: peer.to_owned(),
            metric: metric.to_owned(),
            value,
        };
        if self.print {
            let line = serde_json::json!({
                "group": "rs",
                "test": record.test,
                "peer": record.peer,
                "metric": record.metric,
                "value": record.value,
            });
            println!("{line}");
        }
        self.all.push(record);
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
