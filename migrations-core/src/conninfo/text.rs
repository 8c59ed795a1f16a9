//! A connection string in either form.

use super::keyword::{find, is_secret, nearest};
use super::origin::Origin;
use super::pairs::{NotPairs, pairs};
use super::parameters::Parameters;
use super::url::{Url, url, without_scheme};
use crate::report::Error;

/// The parameters of a connection string. No error repeats a text that can be a part of a password.
pub(super) fn parameters(text: &str) -> Result<Parameters, Error> {
    match without_scheme(text) {
        Some(rest) => of_url(url(rest).map_err(problem)?),
        // A password in front of an `=` would be a keyword.
        None if text.split('=').next().is_some_and(|keyword| keyword.contains("://")) => {
            Err(problem("it does not begin with postgres:// or postgresql://"))
        }
        None => of_pairs(text),
    }
}

fn of_url(url: Url) -> Result<Parameters, Error> {
    let Url { user, password, hosts, ports, database, options } = url;
    let mut parameters = Parameters::default();
    let parts = [
        ("user", user),
        ("password", password),
        ("host", Some(hosts)),
        // In a URL without an @, a password stands where the port is.
        ("port", Some(ports)),
        ("dbname", Some(database)),
    ];
    for (keyword, value) in parts {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parameters.set_hidden(keyword, value, &Origin::Url);
        }
    }
    let options = options.into_iter().map(|(name, value)| match (name.as_str(), value.as_str()) {
        // JDBC's spelling, which libpq knows as well.
        ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
        _ => (name, value),
    });
    add(&mut parameters, options, &Origin::Url)?;
    Ok(parameters)
}

fn of_pairs(text: &str) -> Result<Parameters, Error> {
    let pairs = pairs(text).map_err(|error| match error {
        NotPairs::NoEqualsSign => problem("it is not a connection string"),
        NotPairs::NoClosingQuote => problem("it has a quoted value without a closing quote"),
        NotPairs::Semicolons => {
            problem("its pairs are separated by semicolons; write blanks, and quotes around a value with a semicolon")
        }
    })?;
    if pairs.is_empty() {
        return Err(problem("it is not a connection string"));
    }
    let mut parameters = Parameters::default();
    add(&mut parameters, pairs.into_iter().map(|(name, value)| (name.to_owned(), value)), &Origin::Pairs)?;
    Ok(parameters)
}

/// Adds options by their names. An option after a password can be a part of it.
fn add(
    parameters: &mut Parameters,
    options: impl Iterator<Item = (String, String)>,
    origin: &Origin,
) -> Result<(), Error> {
    let mut is_after_a_secret = false;
    for (name, value) in options {
        let Some(keyword) = find(&name) else {
            return Err(problem(&unknown(&name, is_after_a_secret)));
        };
        if is_after_a_secret {
            parameters.set_hidden(keyword, value, origin);
        } else {
            parameters.set(keyword, value, origin);
        }
        is_after_a_secret |= is_secret(keyword);
    }
    Ok(())
}

/// Names an unknown option, unless its name can be a part of a password.
fn unknown(name: &str, is_after_a_secret: bool) -> String {
    let is_word = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let meant = nearest(name).map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
    if is_word && !is_after_a_secret {
        format!("it has an option {name} that is not known{meant}")
    } else {
        format!("it has an option that is not known{meant}")
    }
}

fn problem(problem: &str) -> Error {
    Error::Url { problem: problem.to_owned() }
}
