-- The application used to number its documents itself, and two of its processes could choose the same number. Now the
-- database does: whoever inserts a document waits for the series' row until the one before has committed, so numbers
-- are handed out once and without gaps. A sequence would not wait, and leaves a gap wherever a transaction fails;
-- a tax office asks about those. An import that brings numbers along has to move next_number past them.
CREATE TABLE document_series (
    code        text     NOT NULL,
    prefix      text     NOT NULL,
    min_digits  smallint NOT NULL DEFAULT 6,
    next_number bigint   NOT NULL DEFAULT 1,

    CONSTRAINT document_series_pkey PRIMARY KEY (code),
    CONSTRAINT document_series_code_check CHECK (code IN ('purchase_order', 'sales_order', 'invoice')),
    CONSTRAINT document_series_prefix_check CHECK (char_length(prefix) <= 12),
    CONSTRAINT document_series_min_digits_check CHECK (min_digits BETWEEN 1 AND 18),
    CONSTRAINT document_series_next_number_check CHECK (next_number > 0)
);

-- A series goes on where the application stopped.
INSERT INTO document_series (code, prefix, next_number)
SELECT 'purchase_order', 'PO-', 1 + coalesce(max(substring(number FROM '^PO-([0-9]{1,18})$')::bigint), 0)
FROM purchase_orders
UNION ALL
SELECT 'sales_order', 'SO-', 1 + coalesce(max(substring(number FROM '^SO-([0-9]{1,18})$')::bigint), 0)
FROM sales_orders
UNION ALL
SELECT 'invoice', 'INV-', 1 + coalesce(max(substring(number FROM '^INV-([0-9]{1,18})$')::bigint), 0)
FROM invoices;

-- Without SET search_path: that would write the schema's name into the function, and a spare schema is renamed when a
-- tenant signs up. The caller's search path is not to be trusted either, since it may name another tenant, so the table
-- is looked for in the schema of the table that fired the trigger, whatever that is called at the moment.
CREATE FUNCTION assign_document_number() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- lpad shortens what is too long, hence greatest: number 1000000 must not become 100000 again.
    EXECUTE format(
        $sql$
        UPDATE %I.document_series
        SET next_number = next_number + 1
        WHERE code = $1
        RETURNING prefix
            || lpad((next_number - 1)::text, greatest(min_digits, char_length((next_number - 1)::text)), '0')
        $sql$,
        TG_TABLE_SCHEMA
    )
    INTO NEW.number
    USING TG_ARGV[0];

    IF NEW.number IS NULL THEN
        RAISE EXCEPTION 'there is no document series %', quote_literal(TG_ARGV[0])
            USING ERRCODE = 'no_data_found', HINT = 'Every tenant has one for each kind of document; put it back.';
    END IF;

    RETURN NEW;
END
$$;

CREATE TRIGGER purchase_orders_assign_number
    BEFORE INSERT ON purchase_orders
    FOR EACH ROW
    WHEN (NEW.number IS NULL)
    EXECUTE FUNCTION assign_document_number('purchase_order');

CREATE TRIGGER sales_orders_assign_number
    BEFORE INSERT ON sales_orders
    FOR EACH ROW
    WHEN (NEW.number IS NULL)
    EXECUTE FUNCTION assign_document_number('sales_order');

CREATE TRIGGER invoices_assign_number
    BEFORE INSERT ON invoices
    FOR EACH ROW
    WHEN (NEW.number IS NULL)
    EXECUTE FUNCTION assign_document_number('invoice');
