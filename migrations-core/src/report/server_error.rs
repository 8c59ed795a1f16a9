//! An error of the server about a statement, and what to do about it if the server does not say.

use std::borrow::Cow;
use std::fmt;

use postgres::error::{DbError, ErrorPosition, SqlState};

/// An error of the server about a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    sqlstate: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    advice: Option<Cow<'static, str>>,
}

impl ServerError {
    pub(crate) fn new(error: &DbError) -> Self {
        // An error inside a function has a position in the function's text; the context names the function.
        let inner = match error.position() {
            Some(ErrorPosition::Internal { query, .. }) => Some(format!("in: {query}")),
            _ => None,
        };
        let context = match (error.where_(), inner) {
            (Some(place), Some(inner)) => Some(format!("{place}\n{inner}")),
            (place, inner) => place.map(str::to_owned).or(inner),
        };
        Self {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context,
            advice: advice_on_the_message(error)
                .or_else(|| advice(error.code()))
                .or_else(|| advice_on_names(error))
                .map(Cow::Borrowed),
        }
    }

    /// An error that the framework itself found, in the server's form.
    pub(crate) fn raised(sqlstate: &str, message: String, hint: String) -> Self {
        Self { sqlstate: sqlstate.to_owned(), message, detail: None, hint: Some(hint), context: None, advice: None }
    }

    /// The same, if more is known about what to do.
    pub(crate) fn without_advice(self) -> Self {
        Self { advice: None, ..self }
    }

    /// The same, if the caller knows better what to do.
    pub(crate) fn with_advice(self, advice: String) -> Self {
        Self { advice: Some(Cow::Owned(advice)), ..self }
    }

    /// The five-character SQLSTATE.
    pub fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The detail.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The server's hint.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The context: where it happened inside functions.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }
}

/// What to do, if the server's own hint does not say it.
fn advice(code: &SqlState) -> Option<&'static str> {
    Some(match *code {
        SqlState::LOCK_NOT_AVAILABLE => {
            "another session holds a lock on the table; run again when that session is done"
        }
        SqlState::QUERY_CANCELED => {
            "statement_timeout, or somebody cancelled it; raise the timeout for the migrating role with ALTER ROLE … \
             SET, which also helps if the migration is applied elsewhere and its file cannot change; a new \
             migration can use SET LOCAL"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the role the missing privilege, or connect as a role that has it (migrating needs CREATE on the \
             database)"
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            "the server is a standby, or default_transaction_read_only is on; connect to the primary, read-write"
        }
        SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE => {
            "a value that is added to an enumeration cannot be used in the same transaction: split the migration in \
             two, or say `-- migrate: no-transaction` on top (MigrationSet::no_transaction in code, for a file that is \
             applied already)"
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            "the server has no connection left; close some, raise max_connections, or run with fewer jobs"
        }
        SqlState::OUT_OF_MEMORY => "raise max_locks_per_transaction, or run with fewer jobs",
        SqlState::DISK_FULL => "free some space on the server, and run again",
        SqlState::ACTIVE_SQL_TRANSACTION => {
            "put the statement into a new migration of its own with `-- migrate: no-transaction` on top; if the file \
             already has that and the statement is safe to repeat, `-- migrate: no-transaction idempotent` \
             (MigrationSet::no_transaction and idempotent in code, for a file that is applied already)"
        }
        SqlState::INVALID_TRANSACTION_TERMINATION => {
            "it commits while it runs; if it is safe to repeat, say `-- migrate: no-transaction idempotent` on top \
             (MigrationSet::idempotent in code, for a file that is applied already)"
        }
        _ => return None,
    })
}

/// What to do if one code has several causes.
fn advice_on_the_message(error: &DbError) -> Option<&'static str> {
    let says = |part: &str| error.message().contains(part);
    if *error.code() == SqlState::OBJECT_IN_USE && says("pending trigger events") {
        return Some(
            "a deferred constraint is not checked yet: say SET CONSTRAINTS ALL IMMEDIATE before the statement, or \
             `-- migrate: no-transaction` on top (MigrationSet::no_transaction in code, for a file that is applied \
             already)",
        );
    }
    (*error.code() == SqlState::ACTIVE_SQL_TRANSACTION && says("from a function"))
        .then_some("a function or a DO block cannot run it at all: make it a statement of its own")
}

/// What to do about a name with a schema, which the framework may have qualified.
fn advice_on_names(error: &DbError) -> Option<&'static str> {
    let is_missing = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_OBJECT, SqlState::UNDEFINED_FUNCTION];
    (is_missing.contains(error.code()) && error.message().contains('.')).then_some(
        "an unqualified name of an object that a migration changes means its own schema; to change an object of \
         another schema, qualify its name with that schema, and write `-- migrate: allow-schema NAME` on top of the \
         file",
    )
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "   = {}: {}", self.sqlstate, self.message)?;
        let lines = [
            ("detail", self.detail.as_deref()),
            ("hint", self.hint.as_deref()),
            ("context", self.context.as_deref()),
            ("help", self.advice.as_deref()),
        ];
        for (name, text) in lines {
            if let Some(text) = text {
                write!(f, "\n   = {name}: {}", text.replace('\n', "\n     "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}
