//! The connection service file (<https://www.postgresql.org/docs/current/libpq-pgservice.html>).

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Variable;
use super::keyword::{find, nearest};
use super::origin::Origin;
use super::parameters::{Parameter, Parameters};
use crate::report::Error;

/// The parameters of the service that `name` names; `file`: the service file, if a parameter names one.
pub(super) fn parameters(
    name: &Parameter,
    file: Option<&Parameter>,
    variable: Variable<'_>,
) -> Result<Parameters, Error> {
    let files = files(file.map(|file| file.value.as_str()), variable);
    for file in &files {
        match fs::read_to_string(file) {
            Ok(text) => {
                let origin = Origin::Service { name: name.value.clone(), file: file.clone() };
                let found = section(&text, &name.value, &origin);
                if let Some(found) = found.map_err(|problem| name.problem("service", at(file, &problem)))? {
                    return Ok(found);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(name.problem("service", at(file, &error.to_string()))),
        }
    }
    let searched: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let searched = if searched.is_empty() { "no service file is known".to_owned() } else { searched.join(" or ") };
    let problem = format!(
        "there is no service {:?} ({searched}); add a section [{}] to the file, or set PGSERVICEFILE",
        name.value, name.value
    );
    Err(name.problem("service", problem))
}

fn at(file: &Path, problem: &str) -> String {
    format!("{}: {problem}", file.display())
}

/// The user's service file, then the system's.
fn files(named: Option<&str>, variable: Variable<'_>) -> Vec<PathBuf> {
    let named = named.map(PathBuf::from).or_else(|| variable("PGSERVICEFILE").map(PathBuf::from));
    let users = named.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".pg_service.conf")));
    let systems = variable("PGSYSCONFDIR").map(|folder| Path::new(&folder).join("pg_service.conf"));
    users.into_iter().chain(systems).collect()
}

/// The section of this name, if there is one. A problem names the line, and no value.
fn section(text: &str, name: &str, origin: &Origin) -> Result<Option<Parameters>, String> {
    let mut found: Option<Parameters> = None;
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (header.strip_suffix(']') == Some(name)).then(Parameters::default);
            continue;
        }
        let Some(parameters) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(format!(
                "line {number} asks an LDAP server, which is not supported; write the parameters there"
            ));
        }
        let Some((option, value)) = line.split_once('=') else {
            return Err(format!("line {number} is not option=value"));
        };
        let option = option.trim_end();
        let Some(keyword) = find(option).filter(|keyword| !["service", "servicefile"].contains(keyword)) else {
            let meant = nearest(option).map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
            return Err(format!("line {number} has an option that is not known{meant}"));
        };
        parameters.set(keyword, value.trim_start().to_owned(), origin);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# services\n[other]\nhost=elsewhere\nnonsense\n[shop]\n host=db \n\nport = 5433\n\
                        password=a = b\n[shop]\nhost=second\n[bad]\nuser=me\nhots=x\n[worse]\nhost\n[ldap]\nldap://x\n\
                        [nested]\nservice=shop";

    fn read(name: &str) -> Result<Option<Parameters>, String> {
        section(FILE, name, &Origin::Url)
    }

    #[test]
    fn a_section_is_the_lines_below_its_name() {
        let Ok(Some(shop)) = read("shop") else { unreachable!("the section is there") };
        let values = ["host", "port", "password", "user"].map(|keyword| shop.value(keyword));
        assert_eq!(values, [Some("db"), Some("5433"), Some("a = b"), None]);
        assert!(matches!(read("nobody"), Ok(None)));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_by_its_number() {
        for (name, problem) in [
            ("bad", "line 14 has an option that is not known (did you mean host?)"),
            ("worse", "line 16 is not option=value"),
            ("ldap", "line 18 asks an LDAP server, which is not supported; write the parameters there"),
            ("nested", "line 20 has an option that is not known"),
        ] {
            let found = read(name).map(drop);
            assert!(found.as_ref().is_err_and(|found| found.starts_with(problem)), "{found:?}");
        }
    }
}
