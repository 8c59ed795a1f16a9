//! What a user sees during a command: on a terminal a bar that counts tenants and disappears before the result;
//! elsewhere a line every few seconds, which a short run never writes. Warnings, and a note that the command waits for
//! another run, appear in both cases.
//!
//! The workers' events only update counters. A separate thread draws, so the display stays alive during a slow tenant.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use migrations_core::Event;

use crate::args::{Format, Global};
use crate::logging;
use crate::output::text;

/// How often the bar is drawn. A shorter run never shows it.
const BAR_PAUSE: Duration = Duration::from_millis(200);

/// How often a line is written without a terminal.
const LINE_PAUSE: Duration = Duration::from_secs(5);

/// The shortest time between two notes to a file or a pipe that the command waits: it can wait for many tenants.
const NOTE_PAUSE: Duration = Duration::from_secs(30);

/// The bar with its text. Before the first tenant there is nothing to measure, so only the text is shown.
const MEASURED: &str = "[{bar:24}] {wide_msg}";
const UNMEASURED: &str = "{wide_msg}";

pub(crate) struct Progress {
    shared: Arc<Shared>,
    ticker: Mutex<Option<Ticker>>,
}

/// What the workers, the log and the drawing thread share.
struct Shared {
    /// `None` without a terminal.
    bar: Option<ProgressBar>,
    /// Whether the bar is on the terminal.
    is_drawn: AtomicBool,
    counts: Mutex<Counts>,
}

/// The drawing thread. It ends when the sender is dropped.
struct Ticker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

struct Counts {
    started: Instant,
    total: usize,
    done: usize,
    failed: usize,
    /// The last estimate of the remaining time, and when it was made.
    remaining: Option<(Duration, Instant)>,
    waiting: Option<String>,
    noted: Option<Instant>,
}

impl Progress {
    /// `None` if the log shows the progress already, or with `--quiet`.
    pub(crate) fn new(global: &Global, is_terminal: bool) -> Option<Self> {
        if global.quiet || logging::is_talkative(global) {
            return None;
        }
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let has_bar = is_terminal && !is_dumb && global.format == Format::Text;
        let bar = || ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style(UNMEASURED));
        let bar = has_bar.then(bar);
        let counts = Mutex::new(Counts::new(Instant::now()));
        let shared = Arc::new(Shared { bar, is_drawn: AtomicBool::new(false), counts });
        Some(Self { shared, ticker: Mutex::default() })
    }

    pub(crate) fn on(&self, event: &Event<'_>) {
        let now = Instant::now();
        let mut counts = lock(&self.shared.counts);
        counts.count(event, now);
        let note = match event {
            Event::Warning { text } => Some(format!("warning: {text}\n")),
            Event::Waiting { what } if self.shared.bar.is_none() && counts.is_time_for_a_note(now) => {
                Some(format!("{}\n", waits_for(what)))
            }
            _ => None,
        };
        let has_news = counts.total > 0 || counts.waiting.is_some();
        drop(counts);
        if let Some(note) = note {
            self.aside(|| write(&note));
        }
        if has_news {
            lock(&self.ticker).get_or_insert_with(|| Ticker::start(Arc::clone(&self.shared)));
        }
    }

    /// Runs code that writes to the terminal, with the bar out of the way.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match &self.shared.bar {
            Some(bar) if self.shared.is_drawn.load(Ordering::Acquire) => bar.suspend(write),
            _ => write(),
        }
    }

    /// Stops drawing and writing, and removes the bar.
    pub(crate) fn finish(&self) {
        let ticker = lock(&self.ticker).take();
        let Some(Ticker { stop, thread }) = ticker else { return };
        drop(stop);
        // A panic in the thread was reported on stderr; the result of the command does not depend on the bar.
        let _ = thread.join();
        if let Some(bar) = &self.shared.bar
            && self.shared.is_drawn.swap(false, Ordering::AcqRel)
        {
            bar.finish_and_clear();
        }
    }
}

impl Ticker {
    fn start(shared: Arc<Shared>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let pause = if shared.bar.is_some() { BAR_PAUSE } else { LINE_PAUSE };
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                shared.show(Instant::now());
            }
        });
        Self { stop, thread }
    }
}

impl Shared {
    fn show(&self, now: Instant) {
        let counts = lock(&self.counts);
        let (done, total) = (counts.done, counts.total);
        let line = counts.line(now, self.bar.is_some());
        drop(counts);
        match &self.bar {
            Some(bar) => {
                self.is_drawn.store(true, Ordering::Release);
                draw(bar, done, total, line);
            }
            None if total > 0 => write(&format!("{line}\n")),
            None => {}
        }
    }
}

fn draw(bar: &ProgressBar, done: usize, total: usize, line: String) {
    let [done, total] = [done, total].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    if total > 0 && bar.length() != Some(total) {
        bar.set_style(style(MEASURED));
        bar.set_length(total);
    }
    bar.set_position(done);
    bar.set_message(line);
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// A reader that is gone is no error here.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn waits_for(what: &str) -> String {
    format!("{what} is locked by another run; waiting")
}

impl Counts {
    fn new(now: Instant) -> Self {
        Self { started: now, total: 0, done: 0, failed: 0, remaining: None, waiting: None, noted: None }
    }

    fn count(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Planned { tenants, .. } => {
                self.started = now;
                self.total = *tenants;
            }
            Event::TenantCreated { progress, .. } | Event::TenantMigrated { progress, .. } => {
                self.reach(*progress, now);
            }
            Event::TenantFailed { progress, .. } => {
                self.reach(*progress, now);
                self.failed += 1;
            }
            Event::Waiting { what } => self.waiting = Some((*what).to_owned()),
            _ => {}
        }
    }

    fn reach(&mut self, progress: migrations_core::Progress, now: Instant) {
        self.waiting = None;
        // `tenant create` counts one tenant of one for each, which measures nothing.
        if progress.total > 1 || self.total > 0 {
            self.total = progress.total;
            // The events of several workers arrive in any order.
            self.done = self.done.max(progress.done);
            self.remaining = Some((progress.remaining, now));
        }
    }

    fn is_time_for_a_note(&mut self, now: Instant) -> bool {
        let is_time = self.noted.is_none_or(|noted| now - noted >= NOTE_PAUSE);
        if is_time {
            self.noted = Some(now);
        }
        is_time
    }

    /// As in `312/900 tenants, 41/s, 2 failed, about 40 s left`.
    fn line(&self, now: Instant, with_rate: bool) -> String {
        let Self { total, done, failed, remaining, waiting, .. } = self;
        let tenants = (*total > 0).then(|| format!("{done}/{total} tenants"));
        let rate = if with_rate { self.rate(now) } else { None };
        let failed = (*failed > 0).then(|| format!("{failed} failed"));
        // Once the estimate has run out, the end is unknown.
        let remaining = remaining.map(|(remaining, at)| remaining.saturating_sub(now - at));
        let remaining =
            remaining.filter(|left| !left.is_zero()).map(|left| format!("about {} left", text::about(left)));
        let waiting = waiting.as_deref().map(waits_for);
        [tenants, rate, failed, remaining, waiting].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Tenants per second; per minute if they are slow.
    fn rate(&self, now: Instant) -> Option<String> {
        let seconds = (now - self.started).as_secs_f64();
        let done = f64::from(u32::try_from(self.done).unwrap_or(u32::MAX));
        (self.done > 0 && seconds > 0.0).then(|| match done / seconds {
            rate if rate >= 1.0 => format!("{rate:.0}/s"),
            rate => format!("{:.1}/min", rate * 60.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Of 900 tenants, 312 are done after a minute, 2 of them failed, and the estimate for the rest is 45 seconds.
    fn under_way(start: Instant) -> Counts {
        let mut counts = Counts::new(start);
        counts.count(&Event::Planned { shared: &[], tenants: 900 }, start);
        Counts { done: 312, failed: 2, remaining: Some((45 * SECOND, start + 60 * SECOND)), ..counts }
    }

    #[test]
    fn the_line_counts_and_its_estimate_runs_down() {
        let start = Instant::now();
        let (counts, now) = (under_way(start), start + 60 * SECOND);
        assert_eq!(counts.line(now, false), "312/900 tenants, 2 failed, about 45 s left");
        assert_eq!(counts.line(now + 5 * SECOND, false), "312/900 tenants, 2 failed, about 40 s left");
        assert_eq!(counts.line(now + 46 * SECOND, false), "312/900 tenants, 2 failed");
        assert_eq!(counts.line(now, true), "312/900 tenants, 5/s, 2 failed, about 45 s left");
        let slow = Counts { done: 3, failed: 0, ..counts };
        assert_eq!(slow.line(now, true), "3/900 tenants, 3.0/min, about 45 s left");
    }

    #[test]
    fn before_the_first_tenant_there_is_no_rate_and_no_estimate() {
        let now = Instant::now();
        let mut counts = Counts::new(now);
        assert_eq!(counts.line(now, true), "");
        counts.count(&Event::Planned { shared: &[], tenants: 9 }, now);
        assert_eq!(counts.line(now + SECOND, true), "0/9 tenants");
    }

    #[test]
    fn a_wait_is_noted_once_in_a_while() {
        let now = Instant::now();
        let mut counts = Counts::new(now);
        counts.count(&Event::Waiting { what: "the database" }, now);
        assert_eq!(counts.line(now, true), "the database is locked by another run; waiting");
        let times = [0, 29, 31, 32].map(|seconds| counts.is_time_for_a_note(now + seconds * SECOND));
        assert_eq!(times, [true, false, true, false]);
    }
}
