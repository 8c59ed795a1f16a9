//! An axum service that migrates at start-up, signs tenants up in a handler, and shuts down in an orderly way.
//!
//! ```sh
//! DATABASE_URL=postgres://localhost/app cargo run --example axum
//! curl -X PUT http://127.0.0.1:3000/tenants/acme
//! ```
//!
//! Four lines call the library to migrate and to sign up: those with `from_env`, `migrator`, `run` and
//! `get_or_create_tenant`. Two more, with `Interrupt::new` and `drain`, limit how long a shutdown takes. No line is
//! about TLS: a `DATABASE_URL` with `?sslmode=verify-full&sslrootcert=ca.pem` is enough.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use migrations_core::{AsyncMigrator, Database, Interrupt, TenantName};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long sign-ups that have begun may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Service {
    migrator: AsyncMigrator,
    database: Database,
}

// `pub(crate)`, since a test starts it as well.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let interrupt = Interrupt::new();
    let stopped = stopped(interrupt.clone())?;

    let database = Database::from_env()?.keep_connection();
    let migrator = migrate::migrator()?.interrupted_by(&interrupt).into_async();
    migrator.run(&database).await?.failures.iter().for_each(|failure| eprintln!("{failure}"));

    let app = Router::new().route("/tenants/{name}", put(sign_up)).with_state(Service { migrator, database });
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    println!("stopped");
    Ok(())
}

/// Creates a tenant, or finds it. If the client hangs up, axum drops this future, and the tenant is created whole or
/// not at all.
async fn sign_up(State(service): State<Service>, Path(name): Path<String>) -> (StatusCode, String) {
    let name: TenantName = match name.parse() {
        Ok(name) => name,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    match service.migrator.get_or_create_tenant(&service.database, &name).await {
        Ok((tenant, true)) => (StatusCode::CREATED, format!("tenant {} was created\n", tenant.name)),
        Ok((tenant, false)) => (StatusCode::OK, format!("tenant {} exists\n", tenant.name)),
        // The rule for schemas (`Migrator::schema_for`) has none for this name.
        Err(error @ migrations_core::Error::NoSchema { .. }) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
        Err(error) => {
            eprintln!("{error}");
            (StatusCode::SERVICE_UNAVAILABLE, "the tenant could not be created\n".to_owned())
        }
    }
}

/// Listens for SIGTERM from now on. It ends a start-up that still migrates, and sign-ups that outlast the grace.
fn stopped(interrupt: Interrupt) -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = signal(SignalKind::terminate())?;
    let stopped = tokio::spawn(async move {
        signals.recv().await;
        interrupt.drain(GRACE);
    });
    Ok(async { drop(stopped.await) })
}
