//! The streams: the result goes to stdout, as text or as one JSON object, everything else to stderr.
//!
//! A reader that goes away, as `head` does, is no failure: the work of the command is done, and its exit code says so.

pub(crate) mod json;
pub(crate) mod text;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::advice::Advice;
use crate::args::{Format, Global};
use crate::error::{Error, Exit};
use crate::progress::Progress;
use crate::secret;
use crate::timeouts::Timeouts;

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

/// The result of a command: its fields are the JSON object, [`text`](View::text) is the same for people.
pub(crate) trait View: Serialize {
    /// Writes the text onto the page, to its last line break.
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result;
}

/// What the text of a result depends on.
#[derive(Clone, Debug)]
pub(crate) struct Paper {
    /// The name of the running binary, for texts that name the next command.
    pub(crate) program: String,
    pub(crate) color: bool,
    pub(crate) terminal: bool,
}

/// One of the process's two streams, and what it can show.
pub(crate) struct Stream<'a> {
    to: &'a mut dyn Write,
    color: bool,
    terminal: bool,
}

impl<'a> Stream<'a> {
    pub(crate) fn stdout(to: &'a mut io::Stdout) -> Self {
        let color = anstream::AutoStream::choice(to) != anstream::ColorChoice::Never;
        Self { color, terminal: to.is_terminal(), to }
    }

    pub(crate) fn stderr(to: &'a mut io::Stderr) -> Self {
        let color = anstream::AutoStream::choice(to) != anstream::ColorChoice::Never;
        Self { color, terminal: to.is_terminal(), to }
    }

    #[cfg(test)]
    pub(crate) fn plain(to: &'a mut dyn Write) -> Self {
        Self { to, color: false, terminal: false }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

pub(crate) struct Output<'a> {
    program: String,
    format: Format,
    quiet: bool,
    stdout: Stream<'a>,
    stderr: Stream<'a>,
    shown: bool,
    progress: Option<Arc<Progress>>,
    timeouts: Timeouts,
}

impl<'a> Output<'a> {
    pub(crate) fn new(program: String, stdout: Stream<'a>, stderr: Stream<'a>) -> Self {
        let (format, timeouts) = (Format::default(), Timeouts::default());
        Self { program, format, quiet: false, stdout, stderr, shown: false, progress: None, timeouts }
    }

    pub(crate) fn configure(&mut self, global: &Global) {
        self.format = global.format;
        self.quiet = global.quiet;
        self.progress = Progress::new(global, self.stderr.terminal).map(Arc::new);
    }

    /// What the user sees during the command.
    pub(crate) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    /// Removes the progress display, before a result or an error takes its place.
    pub(crate) fn finish_progress(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
    }

    /// The name of the running binary.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// The commands that resolve errors.
    pub(crate) fn advice(&self) -> Advice {
        Advice::new(&self.program).statement_timeout_by(self.timeouts.statement_timeout_by())
    }

    /// Lets the advice on errors name what has set a timeout.
    pub(crate) fn set_by(&mut self, timeouts: &Timeouts) {
        self.timeouts = *timeouts;
    }

    /// Shows the result of the command, of which there is only one.
    pub(crate) fn show(&mut self, view: &impl View) -> Result<(), Error> {
        self.shown = true;
        let text = match self.format {
            Format::Json => json(view)?,
            Format::Text => {
                let (color, terminal) = (self.stdout.color, self.stdout.terminal);
                let mut page = String::new();
                view.text(&Paper { program: self.program.clone(), color, terminal }, &mut page)
                    .map_err(io::Error::other)?;
                page
            }
        };
        self.finish_progress();
        Ok(self.stdout.write(&text)?)
    }

    /// Writes a note that is not the result to stderr, unless `--quiet`.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say(&format!("{text}\n"));
        }
    }

    /// Writes a question to stderr, whose answer follows on the same line.
    pub(crate) fn ask(&mut self, question: &str) {
        self.say(question);
    }

    /// Writes a warning to stderr, unless `--quiet`.
    pub(crate) fn warning(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        let label = self.label("warning", YELLOW);
        self.say(&format!("{label} {text}\n"));
    }

    /// Writes a failure to stderr.
    pub(crate) fn failure(&mut self, text: &str) {
        let label = self.label("error", RED);
        self.say(&format!("{label} {text}\n"));
    }

    /// Reports why the command failed: on stderr, and as the JSON object on stdout unless a result was shown.
    pub(crate) fn error(&mut self, error: &Error) {
        let advice = self.advice();
        self.failure(&advice.error(error));
        self.object(&json::Failed::of(error, &advice));
    }

    /// Answers a command line that asks for help, or that cannot be parsed.
    pub(crate) fn usage(&mut self, error: &clap::Error, as_json: bool) -> Exit {
        if error.exit_code() == 0 {
            let text = error.render();
            let text = if self.stdout.color { text.ansi().to_string() } else { text.to_string() };
            return self.stdout.write(&text).map_or(Exit::Failed, |()| Exit::Done);
        }
        if as_json {
            self.format = Format::Json;
        }
        let rendered = error.render();
        let text = if self.stderr.color { rendered.ansi().to_string() } else { rendered.to_string() };
        self.say(&secret::hide(&text));
        // The paragraphs after the first are advice for a person.
        let rendered = rendered.to_string();
        let message = rendered.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        self.object(&json::Failed::of_message(secret::hide(message)));
        Exit::Usage
    }

    /// Writes the JSON object of an error. If that fails, there is nothing left to try: stderr has the error.
    fn object(&mut self, failed: &json::Failed) {
        if self.format == Format::Json && !self.shown {
            self.shown = true;
            let _ = json(failed).map(|text| self.stdout.write(&text));
        }
    }

    fn label(&self, word: &str, style: Style) -> String {
        if self.stderr.color { format!("{style}{word}:{style:#}") } else { format!("{word}:") }
    }

    /// Without stderr there is nowhere to report a failure to.
    fn say(&mut self, text: &str) {
        let _ = self.stderr.write(text);
    }
}

fn json(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// A stream whose reader is gone, or whose disk is full.
    struct Gone(io::ErrorKind);

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[derive(Serialize)]
    struct Hello {
        hello: &'static str,
    }

    impl View for Hello {
        fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
            writeln!(page, "hello")
        }
    }

    fn shown_on(kind: io::ErrorKind) -> Result<(), Error> {
        let (mut stdout, mut stderr) = (Gone(kind), Vec::new());
        let mut output = Output::new("x".to_owned(), Stream::plain(&mut stdout), Stream::plain(&mut stderr));
        output.show(&Hello { hello: "world" })
    }

    #[test]
    fn a_reader_that_is_gone_is_no_failure_and_a_full_disk_is_one() {
        assert!(shown_on(io::ErrorKind::BrokenPipe).is_ok());
        assert!(matches!(shown_on(io::ErrorKind::StorageFull), Err(Error::Output(_))));
    }

    #[test]
    fn an_error_after_the_result_does_not_make_a_second_object() -> Result<(), Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut output = Output::new("x".to_owned(), Stream::plain(&mut stdout), Stream::plain(&mut stderr));
        output.configure(&Global { format: Format::Json, ..Global::default() });
        output.show(&Hello { hello: "world" })?;
        output.error(&Error::NoDatabase);
        assert_eq!(String::from_utf8_lossy(&stdout), "{\"hello\":\"world\"}\n");
        assert!(stderr.starts_with(b"error: no database is named"));
        Ok(())
    }
}
