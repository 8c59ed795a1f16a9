//! The database, and the connection to it. Nothing here knows which migrations there are, or what is applied.
//!
//! | file | what it is |
//! | --- | --- |
//! | `lost` | the definition of a lost connection |
//! | `tls` | TLS, with the meaning that libpq gives its parameters |
//! | `interrupt` | ends a run from outside: cancels the running statements at the server |
//! | `password` | a password that the application looks up for every connection |
//! | `runtime` | whether this thread drives a runtime, where blocking calls panic |
//! | `kept` | keeps a connection open from one call to the next |
//! | `opened` | what the last connection was opened with |
//! | `running` | a development server that this process uses, and its end |
//! | `database` | the database, as a URL or the environment names it |
//! | `hosts` | the hosts of a configuration, one by one |
//! | `within` | ends the wait for something that has no time limit of its own |
//! | `attempt` | tries the hosts, each with or without TLS |
//! | `development` | the project's development server, where the environment names no database |
//! | `connect` | opens connections, and waits for a server that is starting |
//! | `create` | creates and drops the database itself |
//! | `transaction` | sends one transaction of several statements, in one message or one after the other |
//! | `flush` | waits until everything that was committed is on disk |
//! | `transient` | counts retries |
//! | `connection` | a connection that is used for many schemas, and replaced when it is lost |
//! | `own_name` | where a definition names the schema itself |
//! | `contents` | what a schema holds, and how two schemas differ |
//! | `keepalive` | keeps a connection from being idle while another one works |
//! | `epilogue` | the statements after every migration, so that nothing it left in the session reaches the next one |

mod attempt;
mod connect;
mod connection;
mod contents;
mod create;
mod database;
#[cfg(feature = "embedded")]
mod development;
mod epilogue;
mod flush;
mod hosts;
mod interrupt;
mod keepalive;
mod kept;
mod lost;
mod opened;
mod own_name;
mod password;
#[cfg(feature = "embedded")]
mod running;
mod runtime;
mod tls;
mod transaction;
mod transient;
mod within;

pub(crate) use connection::{Connection, Use};
pub use contents::SchemaContents;
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
