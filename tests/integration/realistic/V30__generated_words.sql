DROP TRIGGER articles_index ON articles;
DROP FUNCTION articles_index();
ALTER TABLE articles DROP COLUMN words;
ALTER TABLE articles ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || body)) STORED;
CREATE INDEX IF NOT EXISTS articles_words ON articles USING gin (words);
