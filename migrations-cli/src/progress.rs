//! What is seen while a run goes on: on a terminal a line that counts tenants, and is gone when the run is over;
//! elsewhere only that another run is waited for, which can take minutes.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use migrations_core::Event;

use crate::args::Global;
use crate::logging;

/// How often the line on a terminal is written at most.
const LINE_PAUSE: Duration = Duration::from_millis(100);

/// How often a log hears at most that the run waits: many tenants can be waited for.
const NOTE_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Progress {
    is_terminal: bool,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    done: usize,
    failed: usize,
    waiting: Option<String>,
    written: Option<Instant>,
}

impl Progress {
    /// What is seen of a run, unless the log tells it already or nobody wants to know.
    pub(crate) fn new(global: &Global) -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_terminal = io::stderr().is_terminal() && !is_dumb;
        let is_wanted = !global.quiet && !logging::is_talkative(global);
        is_wanted.then(|| Self { is_terminal, counts: Mutex::default() })
    }

    pub(crate) fn on(&self, event: &Event<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = counts.count(event);
        let pause = if self.is_terminal { LINE_PAUSE } else { NOTE_PAUSE };
        let now = Instant::now();
        if !is_news || counts.written.is_some_and(|written| now - written < pause) {
            return;
        }
        match (self.is_terminal, event) {
            (true, _) => write(&format!("\r\x1b[K{}", counts.line())),
            (false, Event::Waiting { what }) => write(&format!("{what} is locked by another run; waiting\n")),
            (false, _) => return,
        }
        counts.written = Some(now);
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_terminal && counts.written.is_some() {
            write("\r\x1b[K");
        }
    }
}

/// Nobody misses it when the reader is gone.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

impl Counts {
    /// Whether the event changes the line.
    fn count(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Planned { tenants, .. } => self.total = *tenants,
            Event::TenantCreated { .. } => {
                self.done += 1;
                self.waiting = None;
            }
            Event::TenantMigrated { progress, .. } => {
                (self.done, self.total) = (progress.done, progress.total);
                self.waiting = None;
            }
            Event::TenantFailed { progress, .. } => {
                (self.done, self.total) = (progress.done, progress.total);
                self.failed += 1;
            }
            Event::Waiting { what } => self.waiting = Some((*what).to_owned()),
            _ => return false,
        }
        true
    }

    fn line(&self) -> String {
        let Self { total, done, failed, waiting, .. } = self;
        let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        let waiting = waiting.as_ref().map(|what| format!("; {what} is locked by another run, waiting"));
        format!("tenants {done}/{total}{failed}{}", waiting.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use migrations_core::TenantName;

    use super::*;

    #[test]
    fn the_line_counts_and_says_what_it_waits_for() -> Result<(), migrations_core::NameError> {
        let tenant: TenantName = "acme".parse()?;
        let mut counts = Counts::default();
        assert!(counts.count(&Event::Planned { shared: &[], tenants: 9 }));
        assert_eq!(counts.line(), "tenants 0/9");
        assert!(counts.count(&Event::Waiting { what: "tenant acme" }));
        assert_eq!(counts.line(), "tenants 0/9; tenant acme is locked by another run, waiting");
        assert!(counts.count(&Event::TenantCreated { tenant: &tenant, elapsed: Duration::ZERO }));
        assert_eq!(counts.line(), "tenants 1/9");
        Ok(())
    }
}
