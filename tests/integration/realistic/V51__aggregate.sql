CREATE FUNCTION longer(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN length(coalesce(a, '')) >= length(b) THEN a ELSE b END $$;
CREATE AGGREGATE longest(text) (SFUNC = longer, STYPE = text);
CREATE TABLE facts AS SELECT longest(name ORDER BY id) AS longest_name, count(*) AS customers FROM customers;
