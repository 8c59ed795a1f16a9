//! Runs contenders in turns, so that other work on the machine slows all of them alike, and compares the fastest runs.

use std::time::Duration;

/// How long one contender's runs took.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// The fastest run: other work on the machine can only add time.
    pub(crate) fn best(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    /// The run in the middle.
    pub(crate) fn median(&self) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// How many times as long as the fastest run the slowest one took.
    pub(crate) fn spread(&self) -> f64 {
        let slowest = self.0.iter().max().copied().unwrap_or_default();
        slowest.as_secs_f64() / self.best().as_secs_f64().max(f64::EPSILON)
    }

    /// How many times longer than the other.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        ratio(self.best(), other.best())
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

/// How many times longer one is than the other.
pub(crate) fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(f64::EPSILON)
}

/// Runs each contender `repeats` times: forwards, backwards, forwards …
pub(crate) fn alternate<const N: usize>(
    repeats: usize,
    contenders: &mut [&mut dyn FnMut() -> Duration; N],
) -> [Times; N] {
    let mut times = [(); N].map(|()| Vec::new());
    for round in 0..repeats {
        let forwards = 0..N;
        let order: Vec<usize> = if round % 2 == 0 { forwards.collect() } else { forwards.rev().collect() };
        for contender in order {
            times[contender].push(contenders[contender]());
        }
    }
    times.map(Times)
}

/// A duration for a reader.
pub(crate) fn show(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 10.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.1 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds >= 0.01 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.2} ms", seconds * 1e3),
    }
}

/// A row of a table in Markdown.
pub(crate) fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}

/// A table's first two rows.
pub(crate) fn head(cells: &[&str]) {
    row(cells);
    row(&cells.iter().map(|_| "---").collect::<Vec<_>>());
}
