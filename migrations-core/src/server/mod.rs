//! The database, and the connection to it. Nothing here knows which migrations there are, or what is applied.
//!
//! | file | what it is |
//! | --- | --- |
//! | `lost` | the definition of a lost connection |
//! | `interrupt` | ends a run from outside: cancels the running statements at the server |
//! | `database` | the database, as a URL or the environment names it |
//! | `connect` | opens connections, and waits for a server that is starting |
//! | `transaction` | sends one transaction of several statements, in one message or one after the other |
//! | `flush` | waits until everything that was committed is on disk |
//! | `transient` | counts retries |
//! | `connection` | a connection that is used for many schemas, and replaced when it is lost |
//! | `keepalive` | keeps a connection from being idle while another one works |
//! | `epilogue` | the statements after every migration, so that nothing it left in the session reaches the next one |

mod connect;
mod connection;
mod database;
mod epilogue;
mod flush;
mod interrupt;
mod keepalive;
mod lost;
mod transaction;
mod transient;

pub(crate) use connection::{Connection, Use};
pub use database::Database;
pub(crate) use epilogue::{Local, check_constraints, epilogue, undo_rolled_back};
pub use interrupt::Interrupt;
pub(crate) use interrupt::Registration;
pub(crate) use keepalive::{KEEP_ALIVE, telling_when_slow, while_kept_alive};
pub(crate) use lost::{is_lost, is_lost_code, is_lost_failure};
pub use transaction::Delivery;
#[cfg(any(test, fuzzing))]
pub(crate) use transaction::place;
pub(crate) use transaction::{Place, Refused, message, query, query_within, send, send_within};
pub(crate) use transient::{RETRIES, TRIES, TransientErrors};
