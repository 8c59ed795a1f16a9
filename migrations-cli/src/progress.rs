//! What is seen while a command goes on: on a terminal a line that counts tenants, and is gone when there is a result;
//! elsewhere only that another run is waited for, which can take minutes. Warnings are seen on both.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use migrations_core::Event;

use crate::args::Global;
use crate::logging;
use crate::output::text;

/// How often the line on a terminal is written at most.
const LINE_PAUSE: Duration = Duration::from_millis(100);

/// How often a file or a pipe is told at most that the command waits: many tenants can be waited for.
const NOTE_PAUSE: Duration = Duration::from_secs(30);

/// Goes to the line's start and empties it.
const ERASE: &str = "\r\x1b[K";

pub(crate) struct Progress {
    is_terminal: bool,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    done: usize,
    failed: usize,
    remaining: Option<Duration>,
    waiting: Option<String>,
    written: Option<Instant>,
}

impl Progress {
    /// What is seen, unless the log tells it already or nobody wants to know.
    pub(crate) fn new(global: &Global) -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_terminal = io::stderr().is_terminal() && !is_dumb;
        let is_wanted = !global.quiet && !logging::is_talkative(global);
        is_wanted.then(|| Self { is_terminal, counts: Mutex::default() })
    }

    pub(crate) fn on(&self, event: &Event<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Warning { text } = event {
            let erase = if self.is_terminal { ERASE } else { "" };
            return write(&format!("{erase}warning: {text}\n"));
        }
        let is_news = counts.count(event);
        let pause = if self.is_terminal { LINE_PAUSE } else { NOTE_PAUSE };
        let now = Instant::now();
        if !is_news || counts.written.is_some_and(|written| now - written < pause) {
            return;
        }
        match (self.is_terminal, event) {
            (true, _) => write(&format!("{ERASE}{}", counts.line())),
            (false, Event::Waiting { what }) => write(&format!("{}\n", waits_for(what))),
            (false, _) => return,
        }
        counts.written = Some(now);
    }

    /// Takes the line away, for a result to take its place.
    pub(crate) fn clear(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_terminal && counts.written.take().is_some() {
            write(ERASE);
        }
    }
}

/// Nobody misses it when the reader is gone.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn waits_for(what: &str) -> String {
    format!("{what} is locked by another run; waiting")
}

impl Counts {
    /// Whether the event changes the line.
    fn count(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Planned { tenants, .. } => self.total = *tenants,
            Event::TenantCreated { progress, .. } | Event::TenantMigrated { progress, .. } => {
                self.reach(*progress);
                self.waiting = None;
            }
            Event::TenantFailed { progress, .. } => {
                self.reach(*progress);
                self.failed += 1;
            }
            Event::Waiting { what } => self.waiting = Some((*what).to_owned()),
            _ => return false,
        }
        true
    }

    fn reach(&mut self, progress: migrations_core::Progress) {
        (self.done, self.total, self.remaining) = (progress.done, progress.total, Some(progress.remaining));
    }

    fn line(&self) -> String {
        let Self { total, done, failed, remaining, waiting, .. } = self;
        let tenants = (*total > 0).then(|| format!("tenants {done}/{total}"));
        let failed = (*failed > 0).then(|| format!("{failed} failed"));
        let remaining = remaining.map(|remaining| format!("about {} left", text::elapsed(remaining)));
        let waiting = waiting.as_deref().map(waits_for);
        [tenants, failed, remaining, waiting].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_and_says_what_it_waits_for() {
        let mut counts = Counts::default();
        assert!(counts.count(&Event::Waiting { what: "the database" }));
        assert_eq!(counts.line(), "the database is locked by another run; waiting");
        assert!(counts.count(&Event::Planned { shared: &[], tenants: 9 }));
        counts = Counts { done: 4, failed: 1, remaining: Some(Duration::from_secs(75)), waiting: None, ..counts };
        assert_eq!(counts.line(), "tenants 4/9, 1 failed, about 1m 15s left");
        assert!(!counts.count(&Event::Warning { text: "of something else" }));
    }
}
