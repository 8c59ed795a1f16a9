//! The project's private server, for `--embedded` and `dev`: its folder, and what a user is told of it.

use migrations_core::Database;
use migrations_embedded::{DevFolder, DevServer, Project, default_dir};

use crate::args::Global;
use crate::error::Error;
use crate::output::Output;

/// The folder that the options name, or else the project's.
pub(crate) fn folder(global: &Global) -> Result<DevFolder, Error> {
    let project = Project::current()?;
    match named(global) {
        Some(folder) => Ok(DevFolder::at(folder, &project)),
        None => DevFolder::of_project(&project).ok_or(Error::NoDataFolder),
    }
}

/// Joins the server or starts it, after removing its data for `--reset`.
pub(crate) fn open(global: &Global, output: &mut Output<'_>) -> Result<DevServer, Error> {
    let folder = folder(global)?;
    point_at_old_folder(global, &folder, output);
    let server = if global.reset { folder.reset()? } else { folder.join_or_start()? };
    describe(&server, output);
    Ok(server)
}

/// Says which server this is.
pub(crate) fn describe(server: &DevServer, output: &mut Output<'_>) {
    for path in server.removed() {
        output.note(&format!("removed {}", path.display()));
    }
    let folder = server.folder().display();
    match server.owner() {
        _ if server.is_owned() => output.note(&format!("private server with its data in {folder}, which is kept")),
        Some(owner) => output.note(&format!("joined the private server of {owner}, with its data in {folder}")),
        None => output.note(&format!("joined the private server of another process, with its data in {folder}")),
    }
    if server.is_of_an_earlier_release() {
        let program = output.program().to_owned();
        output.note(&format!(
            "an earlier release made this data: it stays in the database `postgres`, whose owner is the superuser; \
             `{program} dev reset` removes it and creates a database with a role of its own"
        ));
    }
}

/// The application's database on the server, through the socket.
pub(crate) fn database(server: &DevServer) -> Result<Database, Error> {
    let liveness = server.liveness();
    Ok(Database::from_url(&server.socket_url())?.with_liveness(move || liveness.gone()))
}

fn named(global: &Global) -> Option<&std::path::Path> {
    global.embedded.as_ref().and_then(|folder| folder.as_deref())
}

/// Earlier releases had one folder for every program, whatever the project.
fn point_at_old_folder(global: &Global, folder: &DevFolder, output: &mut Output<'_>) {
    if named(global).is_some() || folder.has_data() {
        return;
    }
    let old = default_dir().map(|dir| dir.with_file_name(output.program()));
    let (Some(old), Ok(project)) = (old, Project::current()) else { return };
    if DevFolder::at(&old, &project).has_data() {
        let (program, old, new) = (output.program().to_owned(), old.display(), folder.path().display());
        output.note(&format!(
            "{old} has the data of an earlier release; every project now has a folder of its own, and this one's is \
             {new}; `{program} --embedded={old}` uses the old data"
        ));
    }
}
