//! The password file (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Variable;
use super::hosts::Server;
use super::parameters::Parameters;
use crate::report::Error;

/// The password for these servers, if the file has one. The driver takes one password for all servers.
pub(super) fn password(
    parameters: &Parameters,
    servers: &[Server],
    database: &str,
    role: &str,
    variable: Variable<'_>,
) -> Result<Option<String>, Error> {
    let Some(file) = file(parameters, variable) else { return Ok(None) };
    let Some(text) = read(&file) else { return Ok(None) };
    let of = |server: &Server| find(&text, [server.in_password_file(), &server.port.to_string(), database, role]);
    let mut passwords: Vec<Option<String>> = servers.iter().map(of).collect();
    passwords.dedup();
    if passwords.len() > 1 {
        return Err(Error::Parameter {
            keyword: "passfile".to_owned(),
            origin: file.display().to_string(),
            problem:
                "it has a password of its own for some of the hosts; give the hosts one password, or name one host"
                    .to_owned(),
        });
    }
    Ok(passwords.pop().flatten())
}

/// The file that a parameter names, or the one in the user's home.
fn file(parameters: &Parameters, variable: Variable<'_>) -> Option<PathBuf> {
    let named = parameters.value("passfile").map(str::to_owned).or_else(|| variable("PGPASSFILE"));
    named.map(PathBuf::from).or_else(|| variable("HOME").map(|home| Path::new(&home).join(".pgpass")))
}

/// The file's text, unless it is not there or libpq would ignore it.
fn read(file: &Path) -> Option<String> {
    let ignored = |reason: &str| log::warn!("the password file {} is ignored: {reason}", file.display());
    let found = match fs::metadata(file) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            ignored(&error.to_string());
            return None;
        }
    };
    if !found.is_file() {
        ignored("it is not a plain file");
        return None;
    }
    if is_open_to_others(&found) {
        ignored("others can read it; its permissions must be 0600 or less");
        return None;
    }
    fs::read_to_string(file).inspect_err(|error| ignored(&error.to_string())).ok()
}

#[cfg(unix)]
fn is_open_to_others(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}

/// The password in the first line that fits host, port, database and role.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(fields).find_map(|fields| {
        let [host, port, database, role, password] = <[Field; 5]>::try_from(fields).ok()?;
        let fits = [host, port, database, role].iter().zip(wanted).all(|(field, wanted)| field.fits(wanted));
        // An empty password is none.
        (fits && !password.text.is_empty()).then_some(password.text)
    })
}

/// A field of a line, without its escapes.
#[derive(Default)]
struct Field {
    text: String,
    has_escape: bool,
}

impl Field {
    /// `*` stands for anything, an escaped one for itself.
    fn fits(&self, wanted: &str) -> bool {
        (self.text == "*" && !self.has_escape) || self.text == wanted
    }
}

/// The fields of a line. The last one, the password, may have colons.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut field = Field::default();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                field.has_escape = true;
                field.text.extend(characters.next());
            }
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            _ => field.text.push(character),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\nnonsense\ndb:5432:shop:app:first\ndb:*:*:app:se\\:co:nd\\\\\n\
                        h\\:1:*:*:*:third\n\\*:*:*:*:star\ndb:1:empty:*:\n*:*:*:last:fourth";

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        for (wanted, password) in [
            (["db", "5432", "shop", "app"], Some("first")),
            (["db", "5433", "shop", "app"], Some(r"se:co:nd\")),
            (["h:1", "1", "x", "y"], Some("third")),
            (["*", "1", "x", "y"], Some("star")),
            (["db", "1", "empty", "last"], Some("fourth")),
            (["other", "1", "x", "y"], None),
        ] {
            assert_eq!(find(FILE, wanted).as_deref(), password, "{wanted:?}");
        }
    }
}
