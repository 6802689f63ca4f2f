//! Figures, as records for scripts or as a table for people.

/// What was measured.
pub(crate) struct Records {
    json: bool,
    test: &'static str,
    rows: Vec<(&'static str, String, String, f64)>,
}

impl Records {
    pub(crate) fn new(json: bool) -> Records {
        Records {
            json,
            test: "",
            rows: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, test: &'static str) {
        self.test = test;
        if !self.json {
            eprintln!("measuring {test} ..");
        }
    }

    pub(crate) fn put(&mut self, peer: &str, metric: &str, value: f64) {
        let test = self.test;
        if self.json {
            println!(
                "{{\"group\":\"rs\",\"test\":\"{test}\",\"peer\":\"{peer}\",\"metric\":\"{metric}\",\"value\":{value}}}"
            );
        }
        self.rows.push((test, peer.to_owned(), metric.to_owned(), value));
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

    pub(crate) fn finish(&self) {
        if self.json {
            return;
        }
        println!("| test | peer | metric | value |\n|---|---|---|---:|");
        for (test, peer, metric, value) in &self.rows {
            println!("| {test} | {peer} | {metric} | {} |", readable(*value));
        }
    }
}

/// Three significant digits, thousands with separators.
fn readable(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                text.push(',');
            }
            text.push(c);
        }
        return text;
    }
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else if value.abs() >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:.decimals$}")
}
