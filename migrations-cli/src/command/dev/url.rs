//! `dev url`: the URL of the project's database.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::args::Global;
use crate::embedded;
use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View};

pub(super) fn run(global: &Global, output: &mut Output<'_>) -> Result<Exit, Error> {
    let folder = embedded::folder(global)?;
    let running = folder.join()?;
    let url = match &running {
        Some(server) => server.url(),
        None => folder.url()?,
    };
    match running.as_ref().map(|server| server.owner()) {
        Some(Some(owner)) => output.note(&format!("the server runs: {owner}")),
        Some(None) => output.note("the server runs"),
        None => {
            let program = output.program().to_owned();
            output.note(&format!("the server does not run; `{program} dev` starts it"));
        }
    }
    output.show(&Url { url, running: running.is_some() })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Url {
    url: String,
    running: bool,
}

impl View for Url {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        writeln!(page, "{}", self.url)
    }
}
