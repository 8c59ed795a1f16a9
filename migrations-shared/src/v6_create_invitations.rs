//! `V6__create_invitations`: people who were invited to join a tenant and have not answered yet.

use barrel::{Migration, backend::Pg, functions::current_timestamp, types};

/// barrel's own `foreign` is always an `INTEGER` and its `datetime` has no time zone, hence the injected constraints
/// and the custom types. Only the token's hash is kept: read access to the table must not be enough to accept an
/// invitation.
pub(crate) fn sql() -> String {
    let mut migration = Migration::new();

    migration.create_table("invitations", |table| {
        table.add_column("id", types::custom("bigint GENERATED ALWAYS AS IDENTITY").primary(true));
        table.add_column("tenant_schema", types::text());
        table.add_column("email", types::text());
        table.add_column("role", types::text());
        table.add_column("invited_by", types::custom("bigint").nullable(true));
        table.add_column("token_hash", types::binary());
        table.add_column("created_at", types::custom("timestamptz").default(current_timestamp()));
        table.add_column("expires_at", types::custom("timestamptz"));

        table.inject_custom(
            "CONSTRAINT invitations_tenant_schema_fkey FOREIGN KEY (tenant_schema) \
             REFERENCES subscriptions (tenant_schema) ON UPDATE CASCADE ON DELETE CASCADE",
        );
        table.inject_custom(
            "CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) \
             REFERENCES users (id) ON DELETE SET NULL",
        );
        table.inject_custom("CONSTRAINT invitations_email_check CHECK (email = lower(email))");
        table.inject_custom(
            "CONSTRAINT invitations_role_check \
             CHECK (role IN ('owner', 'manager', 'clerk', 'viewer'))",
        );
        table.inject_custom("CONSTRAINT invitations_token_hash_check CHECK (octet_length(token_hash) = 32)");
        table.inject_custom("CONSTRAINT invitations_expires_at_check CHECK (expires_at > created_at)");
        table.add_constraint(
            "invitations_tenant_schema_email_key",
            types::unique_constraint(["tenant_schema", "email"]),
        );
        table.add_constraint("invitations_token_hash_key", types::unique_constraint(["token_hash"]));
        table.add_index("invitations_invited_by_idx", types::index(["invited_by"]));
    });

    migration.make::<Pg>()
}

#[cfg(test)]
mod tests {
    /// refinery's checksum covers this text: a different text makes every existing database count as diverged.
    #[test]
    fn the_sql_is_still_what_was_applied() {
        assert_eq!(
            super::sql(),
            "CREATE TABLE \"invitations\" (\
             \"id\" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY NOT NULL, \
             \"tenant_schema\" TEXT NOT NULL, \
             \"email\" TEXT NOT NULL, \
             \"role\" TEXT NOT NULL, \
             \"invited_by\" bigint, \
             \"token_hash\" BYTEA NOT NULL, \
             \"created_at\" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL, \
             \"expires_at\" timestamptz NOT NULL, \
             CONSTRAINT invitations_tenant_schema_fkey FOREIGN KEY (tenant_schema) \
             REFERENCES subscriptions (tenant_schema) ON UPDATE CASCADE ON DELETE CASCADE, \
             CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) \
             REFERENCES users (id) ON DELETE SET NULL, \
             CONSTRAINT invitations_email_check CHECK (email = lower(email)), \
             CONSTRAINT invitations_role_check \
             CHECK (role IN ('owner', 'manager', 'clerk', 'viewer')), \
             CONSTRAINT invitations_token_hash_check CHECK (octet_length(token_hash) = 32), \
             CONSTRAINT invitations_expires_at_check CHECK (expires_at > created_at), \
             CONSTRAINT \"invitations_tenant_schema_email_key\" UNIQUE (\"tenant_schema\", \"email\"), \
             CONSTRAINT \"invitations_token_hash_key\" UNIQUE (\"token_hash\"));\
             CREATE  INDEX \"invitations_invited_by_idx\" ON \"invitations\" (\"invited_by\");"
        );
    }
}
