CREATE FUNCTION display_price(p prices) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT (p.price).amount || ' ' || (p.price).currency $$;
COMMENT ON FUNCTION display_price(prices) IS 'as it is printed';
