//! The application's role and database.
//!
//! The role is no superuser, as in production: it owns its database, so it creates schemas and the extensions that
//! PostgreSQL trusts, and it may create further databases, which test suites do.
//!
//! Folders of earlier releases have their tables in the database `postgres`, owned by the superuser. They stay in use
//! as they are: nothing is moved, and the access names that database and the superuser.

use postgres::{Client, NoTls};

use super::access::Access;
use crate::Error;
use crate::aside::aside;
use crate::cluster::SUPERUSER;
use crate::server::Server;

/// The database in which earlier releases created everything; `initdb` creates it.
const FIRST_DATABASE: &str = "postgres";

/// Whether the database has objects that `initdb` did not create.
const IS_USED: &str = "
    SELECT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_')
        OR EXISTS (SELECT FROM pg_class WHERE oid >= 16384 AND relpersistence <> 't')";

/// Makes sure that the role and the database exist, with the password of the access; `name` is their name in a new
/// cluster. Returns the access to what the cluster has.
pub(crate) fn provide(server: &Server, mut access: Access, name: &str) -> Result<Access, Error> {
    let found = aside(|| provide_in(server, &mut access, name))
        .map_err(Error::io("start a thread that prepares the server on", server.data_dir()))?;
    found.map(|()| access).map_err(|source| Error::Prepare {
        data: server.data_dir().to_owned(),
        purpose: "the application's role and database",
        source: Box::new(source),
    })
}

fn provide_in(server: &Server, access: &mut Access, name: &str) -> Result<(), postgres::Error> {
    let mut client = Client::connect(&server.url(FIRST_DATABASE), NoTls)?;
    // The password is in a statement, which must not reach the log.
    client.batch_execute(
        "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'",
    )?;
    let name = if is_of_an_earlier_release(access) { name.to_owned() } else { access.role.clone() };
    let has_role = client.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&name])?.is_some();
    if !has_role && client.query_one(IS_USED, &[])?.get(0) {
        SUPERUSER.clone_into(&mut access.role);
        FIRST_DATABASE.clone_into(&mut access.database);
    } else {
        if !has_role {
            client.batch_execute(&format!("CREATE ROLE {} LOGIN CREATEDB", quoted(&name)))?;
        }
        if is_of_an_earlier_release(access) {
            access.database.clone_from(&name);
        }
        access.role = name;
        let has_database = "SELECT FROM pg_database WHERE datname = $1";
        if client.query_opt(has_database, &[&access.database])?.is_none() {
            let (database, role) = (quoted(&access.database), quoted(&access.role));
            client.batch_execute(&format!("CREATE DATABASE {database} OWNER {role}"))?;
        }
    }
    // Hexadecimal digits need no quoting.
    client.batch_execute(&format!("ALTER ROLE {} PASSWORD '{}'", quoted(&access.role), access.password()))
}

/// Whether the access is to the data of an earlier release.
pub(crate) fn is_of_an_earlier_release(access: &Access) -> bool {
    access.role == SUPERUSER
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
