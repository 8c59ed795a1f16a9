//! The parameters of one source, and how a higher source hides a lower one.

use std::collections::BTreeMap;

use super::keyword::is_secret;
use super::origin::Origin;
use crate::report::Error;

/// Parameters by their keywords.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters(BTreeMap<&'static str, Parameter>);

/// The value of a keyword. It is not `Debug`, because it can be a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) value: String,
    pub(super) origin: Origin,
    /// Whether an error may repeat the value. What follows a password in the same text can be a part of it.
    may_be_shown: bool,
}

impl Parameters {
    /// Sets a parameter of this source. As in libpq, the last one counts.
    pub(super) fn set(&mut self, keyword: &'static str, value: String, origin: &Origin) {
        let may_be_shown = !is_secret(keyword);
        self.0.insert(keyword, Parameter { value, origin: origin.clone(), may_be_shown });
    }

    /// Sets a parameter whose value an error must not repeat.
    pub(super) fn set_hidden(&mut self, keyword: &'static str, value: String, origin: &Origin) {
        self.0.insert(keyword, Parameter { value, origin: origin.clone(), may_be_shown: false });
    }

    /// Adds what a lower source names and this one does not. A host and its address are one thing: an address of a
    /// lower source would lead the connection away from the host of a higher one.
    pub(super) fn add_lower(&mut self, lower: Self) {
        let names_host = self.names_any(&["host", "hostaddr"]);
        for (keyword, parameter) in lower.0 {
            if !(names_host && ["host", "hostaddr"].contains(&keyword)) {
                self.0.entry(keyword).or_insert(parameter);
            }
        }
    }

    /// The parameter, unless it is empty, which stands for libpq's default.
    pub(super) fn get(&self, keyword: &str) -> Option<&Parameter> {
        self.0.get(keyword).filter(|parameter| !parameter.value.is_empty())
    }

    pub(super) fn value(&self, keyword: &str) -> Option<&str> {
        self.get(keyword).map(|parameter| parameter.value.as_str())
    }

    pub(super) fn names_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.get(keyword).is_some())
    }

    /// The source of any parameter; all of one source have the same.
    pub(super) fn any_origin(&self) -> Option<&Origin> {
        self.0.values().map(|parameter| &parameter.origin).next()
    }

    /// The value as one of these words. An empty one is none of them, as in libpq: it would hide the stricter word of a
    /// lower source.
    pub(super) fn choice<T: Copy>(&self, keyword: &'static str, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(parameter) = self.0.get(keyword) else { return Ok(None) };
        let found = choices.iter().find(|(word, _)| *word == parameter.value);
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let found = found.ok_or_else(|| parameter.invalid(keyword, &format!("one of {}", words())))?;
        Ok(Some(found.1))
    }

    /// The value as a whole number.
    pub(super) fn number(&self, keyword: &'static str) -> Result<Option<i32>, Error> {
        let Some(parameter) = self.get(keyword) else { return Ok(None) };
        parameter.value.trim().parse().map(Some).map_err(|_| parameter.invalid(keyword, "a whole number"))
    }
}

impl Parameter {
    /// The error for a value of the wrong form.
    pub(super) fn invalid(&self, keyword: &str, expected: &str) -> Error {
        let value = if self.may_be_shown { format!("{:?}", self.value) } else { "its value".to_owned() };
        self.problem(keyword, format!("{value} is not valid; write {expected}"))
    }

    /// The error for a value that cannot be used.
    pub(super) fn problem(&self, keyword: &str, problem: impl Into<String>) -> Error {
        Error::Parameter { keyword: keyword.to_owned(), origin: self.origin.to_string(), problem: problem.into() }
    }
}
