//! Sends one transaction of several statements, in one message or one after the other.
//!
//! A simple query of several statements is one implicit transaction: `SET LOCAL` holds in it, any error rolls all of it
//! back, and the connection is clean afterwards
//! (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT>). So a transaction costs
//! one round trip. Some servers and proxies refuse such a message; sending the same statements one by one between
//! `BEGIN` and `COMMIT` has the same result.

use postgres::error::ErrorPosition;
use postgres::{Client, Error as DriverError, SimpleQueryMessage};

/// How the statements of one transaction reach the server. What is committed is the same. An error can differ: the server
/// reads a whole message before it runs any of it, so that a syntax error in a later statement comes first, and an
/// unfinished statement ends at the `;` that separates it from the next.
///
/// ```
/// use migrations_core::{Delivery, MigrationSet, Migrator};
///
/// let migrator = Migrator::builder()
///     .shared(MigrationSet::new("shared")?)
///     .tenant(MigrationSet::new("tenant")?)
///     .delivery(Delivery::Statements);
/// # Ok::<(), migrations_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// All in one message: one round trip for each transaction. The default.
    #[default]
    OneMessage,
    /// One by one between `BEGIN` and `COMMIT`: one round trip for each statement. For a server or a proxy that refuses
    /// several statements in one message.
    Statements,
}

/// Ends a statement, even after a comment without a line end.
pub(crate) const SEPARATOR: &str = "\n;\n";

/// A transaction that was not committed.
pub(crate) struct Refused {
    pub(crate) error: DriverError,
    pub(crate) place: Option<Place>,
}

/// The statement that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number in what was sent.
    pub(crate) statement: usize,
    /// The error's offset in it, in bytes, if the server gives a position.
    pub(crate) offset: Option<usize>,
}

/// Sends the statements as one transaction.
pub(crate) fn send(client: &mut Client, delivery: Delivery, statements: &[impl AsRef<str>]) -> Result<(), Refused> {
    transaction(client, delivery, statements, Client::batch_execute).map(|_| ())
}

/// Sends the statements as one transaction, and returns their results.
pub(crate) fn query(
    client: &mut Client,
    delivery: Delivery,
    statements: &[impl AsRef<str>],
) -> Result<Vec<SimpleQueryMessage>, Refused> {
    let answers = transaction(client, delivery, statements, Client::simple_query)?;
    Ok(answers.into_iter().flatten().collect())
}

/// Sends the statements inside a transaction that is open already, and leaves it open.
pub(crate) fn send_within(
    client: &mut Client,
    delivery: Delivery,
    statements: &[impl AsRef<str>],
) -> Result<(), Refused> {
    within(client, delivery, statements, Client::batch_execute).map(|_| ())
}

/// Sends the statements inside a transaction that is already open, and returns their results.
pub(crate) fn query_within(
    client: &mut Client,
    delivery: Delivery,
    statements: &[impl AsRef<str>],
) -> Result<Vec<SimpleQueryMessage>, Refused> {
    Ok(within(client, delivery, statements, Client::simple_query)?.into_iter().flatten().collect())
}

fn within<T>(
    client: &mut Client,
    delivery: Delivery,
    statements: &[impl AsRef<str>],
    mut by: impl FnMut(&mut Client, &str) -> Result<T, DriverError>,
) -> Result<Vec<T>, Refused> {
    match delivery {
        Delivery::OneMessage => one_message(client, statements, by).map(|answer| vec![answer]),
        Delivery::Statements => {
            let numbered = statements.iter().enumerate();
            numbered.map(|(number, sql)| one(client, number, sql.as_ref(), &mut by)).collect()
        }
    }
}

fn transaction<T>(
    client: &mut Client,
    delivery: Delivery,
    statements: &[impl AsRef<str>],
    mut by: impl FnMut(&mut Client, &str) -> Result<T, DriverError>,
) -> Result<Vec<T>, Refused> {
    if delivery == Delivery::OneMessage {
        return within(client, delivery, statements, by);
    }
    let ours = |error| Refused { error, place: None };
    client.batch_execute("BEGIN").map_err(ours)?;
    let done = within(client, delivery, statements, &mut by);
    let done = done.and_then(|answers| client.batch_execute("COMMIT").map(|()| answers).map_err(ours));
    if done.is_err() {
        // A lost connection has nothing to roll back.
        let _ = client.batch_execute("ROLLBACK");
    }
    done
}

fn one_message<T>(
    client: &mut Client,
    statements: &[impl AsRef<str>],
    by: impl FnOnce(&mut Client, &str) -> Result<T, DriverError>,
) -> Result<T, Refused> {
    by(client, &message(statements)).map_err(|error| {
        let place = position(&error).and_then(|position| place(statements, position));
        Refused { error, place }
    })
}

fn one<T>(
    client: &mut Client,
    number: usize,
    sql: &str,
    by: impl FnOnce(&mut Client, &str) -> Result<T, DriverError>,
) -> Result<T, Refused> {
    by(client, sql).map_err(|error| {
        let offset = position(&error).and_then(|position| place(&[sql], position)?.offset);
        Refused { error, place: Some(Place { statement: number, offset }) }
    })
}

/// The statements as one message.
pub(crate) fn message(statements: &[impl AsRef<str>]) -> String {
    let length = statements.iter().map(|sql| sql.as_ref().len() + SEPARATOR.len()).sum();
    let mut message = String::with_capacity(length);
    for sql in statements {
        message.push_str(sql.as_ref());
        message.push_str(SEPARATOR);
    }
    message
}

/// The error's position in the text that was sent: in characters, from 1.
fn position(error: &DriverError) -> Option<u32> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(position) => Some(*position),
        ErrorPosition::Internal { .. } => None,
    }
}

/// The statement and the offset in it, in bytes, of a position in the message: in characters, from 1.
pub(crate) fn place(statements: &[impl AsRef<str>], position: u32) -> Option<Place> {
    let mut left = usize::try_from(position).ok()?.checked_sub(1)?;
    for (statement, sql) in statements.iter().map(AsRef::as_ref).enumerate() {
        let characters = sql.chars().count() + SEPARATOR.len();
        if left < characters {
            // We added the `;` that ends an unfinished statement: the place is the end of the statement.
            let end = sql.trim_end().len();
            let offset = sql.char_indices().nth(left).map_or(end, |(offset, _)| offset);
            return Some(Place { statement, offset: Some(offset) });
        }
        left -= characters;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_leads_to_a_statement_and_a_byte() {
        let statements = ["SELECT 'ä' -- no line end", "SELECT nmae"];
        let message = message(&statements);
        let position = |text: &str| {
            let at = message.find(text).unwrap_or_default();
            u32::try_from(message[..at].chars().count() + 1).unwrap_or_default()
        };
        let at = |statement, offset| Some(Place { statement, offset: Some(offset) });
        assert_eq!(place(&statements, position("nmae")), at(1, 7));
        assert_eq!(place(&statements, position("SELECT 'ä'")), at(0, 0));
        assert_eq!(place(&statements, position("nmae") + 4), at(1, 11), "the end of the statement");
        assert_eq!(place(&statements, 0), None);
        assert_eq!(place(&statements, u32::MAX), None);
    }
}
