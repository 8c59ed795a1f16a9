//! The variables that a command uses: those of the environment, then those of `--env-file`.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

use crate::error::Error;

/// The variables of the environment and of a file. An empty one counts as not set. It is not `Debug`, because a
/// variable can be a password.
#[derive(Default)]
pub(crate) struct Variables {
    of_file: HashMap<String, String>,
}

impl Variables {
    /// Reads the file, if one is given. The environment of the process stays as it is.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, Error> {
        let Some(file) = file else { return Ok(Self::default()) };
        let problem = |problem: String| Error::EnvFile { file: file.to_owned(), problem };
        let text = fs::read_to_string(file).map_err(|error| problem(error.to_string()))?;
        Ok(Self { of_file: parse(&text).map_err(problem)? })
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = env::var(name).ok().filter(|value| !value.is_empty());
        value.or_else(|| self.of_file.get(name).filter(|value| !value.is_empty()).cloned())
    }
}

/// The variables of a `.env` file; of two with one name, the last counts. A problem repeats no line, because it can
/// hold a password.
fn parse(text: &str) -> Result<HashMap<String, String>, String> {
    let text = text.trim_start_matches('\u{feff}');
    dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|error| match error {
        dotenvy::Error::LineParse(line, _) => {
            let number = text.find(&line).map(|at| text[..at].matches('\n').count() + 1);
            let place = number.map_or_else(|| "a line".to_owned(), |number| format!("line {number}"));
            format!("{place} is not NAME=value; put a value with spaces, quotes, # or $ between single quotes")
        }
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_usual_kind_is_read() -> Result<(), String> {
        let text = "\u{feff}# database\nDB_HOST=db\nexport DB_USER=\"a b\"\nDB_PASSWORD='$x # y' # comment\n\n\
                    DB_NAME=\nA=1\nA=2";
        let found = parse(text)?;
        let values = ["DB_HOST", "DB_USER", "DB_PASSWORD", "DB_NAME", "A"].map(|name| found[name].as_str());
        assert_eq!(values, ["db", "a b", "$x # y", "", "2"]);
        Ok(())
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_repeated() {
        for (text, place) in [("A=1\nPASSWORD=Zq1 Zq2\n", "line 2"), ("A=1\n\nZq3\n", "line 3"), ("A='Zq4\n", "line 1")]
        {
            let problem = parse(text).err().unwrap_or_default();
            assert!(problem.starts_with(place) && !problem.contains("Zq"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_variable_of_the_environment_wins() {
        let of_file = ["PATH", "MIGRATE_ONLY_IN_THE_FILE"].map(|name| (name.to_owned(), "file".to_owned()));
        let variables = Variables { of_file: of_file.into() };
        assert_eq!(variables.get("MIGRATE_ONLY_IN_THE_FILE").as_deref(), Some("file"));
        assert_eq!(variables.get("PATH"), env::var("PATH").ok());
        assert_eq!(variables.get("MIGRATE_NOWHERE"), None);
    }
}
