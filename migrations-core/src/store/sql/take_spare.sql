    FOR spare IN SELECT schema_name FROM %tenants% WHERE %is_ready% ORDER BY id LOOP
        IF pg_try_advisory_xact_lock(%spare_key%) THEN
            -- Another process may have taken the spare since the loop's query began, or hold its lock.
            IF EXISTS (SELECT FROM %tenants% WHERE schema_name = spare AND %is_ready%) THEN
                EXECUTE format('ALTER SCHEMA %I RENAME TO %I', spare, %new%);
                UPDATE %tenants%
                SET schema_name = %new%, tenant_name = %known_as%, status = 'active', created_at = clock_timestamp()
                WHERE schema_name = spare;
                %gate%EXIT;
            END IF;
        END IF;
    END LOOP;
