CREATE FUNCTION same_words(a text, b text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT lower(a) = lower(b)';
CREATE OPERATOR =~= (LEFTARG = text, RIGHTARG = text, FUNCTION = same_words, COMMUTATOR = =~=);
ALTER TABLE articles ADD CONSTRAINT articles_not_empty CHECK (NOT title =~= '');
COMMENT ON OPERATOR =~= (text, text) IS 'whatever the case';
