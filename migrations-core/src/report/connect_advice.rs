//! What to do when there is no connection.

use postgres::error::SqlState;

use super::cause::chain;
use super::connect_error::{ConnectCause, ConnectError};
use crate::names::Ident;

impl ConnectError {
    /// What to do next.
    pub(super) fn advice(&self) -> String {
        if let Some(problem) = self.tls() {
            return problem.advice();
        }
        match (self.cause(), self.server()) {
            (_, Some(error)) => self.for_server(error.code(), error.message()),
            (ConnectCause::Driver(error), None) if !self.may_pass() => self.for_driver(&chain(error)),
            (ConnectCause::Driver(_) | ConnectCause::Network(_), None) => {
                "check host and port, and that the server is running".to_owned()
            }
            (ConnectCause::Silent(_), None) => {
                "check that PostgreSQL listens on this port, and whether a load balancer or a pooler in between has no \
                 server to pass the connection on to; connect_timeout sets the limit"
                    .to_owned()
            }
            (ConnectCause::Password(_), None) => {
                "the error comes from the program's own source of passwords: make it give one, and run again".to_owned()
            }
        }
    }

    fn for_driver(&self, text: &str) -> String {
        if text.contains("password missing") {
            let advice = "the server asks for a password: put it into the URL (postgres://user:password@host/name), or \
                          set PGPASSWORD, or write it into the password file (~/.pgpass)";
            return self.with_role(advice.to_owned());
        }
        if text.contains("channel binding") {
            return "channel_binding=require needs TLS and a password that the server keeps as scram-sha-256; use \
                    channel_binding=prefer where a pooler ends the TLS connection"
                .to_owned();
        }
        "check the connection string".to_owned()
    }

    fn for_server(&self, code: &SqlState, message: &str) -> String {
        let role = self.role().unwrap_or("the role");
        match code.code() {
            "28P01" => self.with_role(format!("check the password of {role}")),
            "28000" => self.for_authorization(message, role),
            "3D000" => "create the database first: CREATE DATABASE is not part of a migration".to_owned(),
            "42501" => format!("let the role connect to the database: GRANT CONNECT ON DATABASE … TO {}", Ident(role)),
            "53300" => "the server has no connection left; close some, or raise max_connections".to_owned(),
            _ => "the server refuses this connection".to_owned(),
        }
    }

    /// The server has one code for everything that `pg_hba.conf` decides. Names of files and methods are the same in
    /// every language of its messages.
    fn for_authorization(&self, message: &str, role: &str) -> String {
        let lower = message.to_lowercase();
        if lower.contains("pg_hba.conf") {
            return self.for_host_based(&lower, role);
        }
        if lower.contains("peer") {
            return self.with_role(format!(
                "the server lets this operating-system user in only as the role of the same name, not as {role}: name \
                 that role, connect over TCP with a password (host=localhost), or change the method in pg_hba.conf"
            ));
        }
        if lower.contains("ident") {
            return self.with_role(format!(
                "the server asks this machine's ident server who connects, and does not learn that it is {role}: let \
                 its pg_hba.conf ask for a password instead (scram-sha-256)"
            ));
        }
        if lower.contains("certificate") && lower.contains("requires") {
            return "the server wants a client certificate: set sslcert and sslkey to one that an authority in the \
                    server's ssl_ca_file has issued"
                .to_owned();
        }
        if lower.contains("certificate") {
            return self.with_role(format!(
                "the common name of the client's certificate has to be {role}, or a map in pg_ident.conf has to lead \
                 from one to the other"
            ));
        }
        if lower.contains("not permitted to log in") {
            return self.with_role(format!("permit it (ALTER ROLE {} LOGIN), or name another role", Ident(role)));
        }
        self.with_role(format!("create the role (CREATE ROLE {} LOGIN), or name another one", Ident(role)))
    }

    fn for_host_based(&self, message: &str, role: &str) -> String {
        if message.contains("ssl") && !message.contains("ssl off") {
            return format!(
                "the server accepts {role} from this address without TLS only, or not at all: add an entry to its \
                 pg_hba.conf (hostssl, with database, role and address) and reload it"
            );
        }
        if self.is_tls_tried() {
            return format!(
                "no entry of the server's pg_hba.conf permits {role} from this address: add one with database, role \
                 and address, and reload it"
            );
        }
        "the server wants TLS: set sslmode=require, or better verify-full; if that is refused too, its pg_hba.conf has \
         no entry for this database, role and address"
            .to_owned()
    }

    /// Adds which configuration chose the role.
    fn with_role(&self, advice: String) -> String {
        match (self.role(), self.role_from()) {
            (Some(role), Some(from)) => format!("{advice}; the role {role} comes from {from}"),
            _ => advice,
        }
    }
}
