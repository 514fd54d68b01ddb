//go:build kafka

package soak

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/kafkatest"
	"github.com/weirstream/weir/serde"
)

const relationalApp = "relational"

// relationalTopics are those of Kafka's RelationalSmokeTest, and their partitions.
var relationalTopics = map[string]int32{"in-article": 3, "in-comment": 5, "out-augmented-article": 3, "out-augmented-comment": 5}

// TestKafkasRelationalVerifier lets Kafka's RelationalSmokeTest write articles and comments, which refer to articles, and judge what two of our
// processes have made of them: each article with the number of its comments, by a join of tables, and each comment with a part of its article, by a
// join by foreign key. Both are killed, one after the other, while the data comes.
func TestKafkasRelationalVerifier(t *testing.T) {
	t.Parallel()
	b := dial(t, kafkatest.Broker(t))
	relationalMade(b)
	generated := make(chan error, 1)
	go func() {
		out, err := relationalJava(t.Context(), "produce", b.addr, 30)
		generated <- failed(err, out)
	}()
	one := start(t, relationalLaunch(t, b.addr))
	two := start(t, relationalLaunch(t, b.addr))
	waitFor(t, "a first article has its comments counted", time.Minute, func() bool { one.mustLive(); two.mustLive(); return b.size("out-augmented-article") > 0 })
	open := b.killInTransaction(one)
	three := start(t, relationalLaunch(t, b.addr))
	three.running()
	open = b.killInTransaction(two) || open
	if !open {
		t.Error("no kill found a transaction open")
	}
	two = two.again()
	if err := <-generated; err != nil {
		t.Fatal(err)
	}
	if out, err := relationalJava(t.Context(), "verify", b.addr, 60); err != nil || !strings.HasSuffix(out, "passed\n") {
		t.Errorf("Kafka's verifier: %v\n%.4000s", err, out)
	}
	two.stop()
	three.stop()
	wrongCount(b)
}

// wrongCount breaks a run that was right, by one count, and wants the verifier to see it.
func wrongCount(b *broker) {
	b.t.Helper()
	value, err := augmentedArticles.Append(nil, counted{article{Key: 1}, 1 << 40})
	if err != nil {
		b.t.Fatal(err)
	}
	wrong := &kgo.Record{Topic: "out-augmented-article", Key: binary.BigEndian.AppendUint32(nil, 1), Value: value}
	if err := b.client.ProduceSync(b.t.Context(), wrong).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	out, err := relationalJava(b.t.Context(), "verify", b.addr, 3)
	if err != nil || !strings.HasSuffix(out, "failed\n") || !strings.Contains(out, "article 1 comment count mismatch") {
		b.t.Errorf("with a wrong count Kafka's verifier: %v\n%.4000s", err, out)
	}
}

func relationalMade(b *broker) {
	b.t.Helper()
	for topic, partitions := range relationalTopics {
		b.create(partitions, topic)
	}
	b.internal(relationalApp)
}

func relationalLaunch(t *testing.T, addr string) launch {
	return launch{Program: "relational", App: relationalApp, Kafka: addr, State: t.TempDir(), ExactlyOnce: true, Commit: time.Second}
}

// relationalJava runs a half of the driver; seconds are how long it writes, or waits for a right result.
func relationalJava(ctx context.Context, half, addr string, seconds int) (string, error) {
	scripts := filepath.Join("..", "..", "scripts")
	cmd := exec.CommandContext(ctx, filepath.Join(scripts, "kafka.sh"), "java", filepath.Join(scripts, "kafka", "Relational.java"), half, addr, fmt.Sprint(seconds))
	cmd.Env = javaEnv()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func failed(err error, out string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\n%.4000s", err, out)
}

// ---- the program ----

type article struct {
	Key  int32
	At   int64
	Text string
}

type comment struct {
	article
	Article int32
}

// counted is an article with the number of its comments, quoting a comment with the beginning of its article.
type (
	counted struct {
		article
		Comments int64
	}
	quoting struct {
		comment
		Prefix string
	}
)

// Big-endian numbers, and texts behind their length(4): what RelationalSmokeTest's own serialisers write.
var (
	articles          = serde.New("article", appendArticle, whole(cutArticle))
	comments          = serde.New("comment", appendComment, whole(cutComment))
	augmentedArticles = serde.New("augmented-article", func(dst []byte, c counted) ([]byte, error) {
		dst, _ = appendArticle(dst, c.article)
		return binary.BigEndian.AppendUint64(dst, uint64(c.Comments)), nil
	}, whole(func(b *input) counted { return counted{cutArticle(b), b.long()} }))
	augmentedComments = serde.New("augmented-comment", func(dst []byte, q quoting) ([]byte, error) {
		dst, _ = appendComment(dst, q.comment)
		return appendText(dst, q.Prefix), nil
	}, whole(func(b *input) quoting { return quoting{cutComment(b), b.text()} }))
)

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func appendArticle(dst []byte, a article) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(a.Key))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.At))
	return appendText(dst, a.Text), nil
}

func appendComment(dst []byte, c comment) ([]byte, error) {
	dst, _ = appendArticle(dst, c.article)
	return binary.BigEndian.AppendUint32(dst, uint32(c.Article)), nil
}

func cutArticle(b *input) article { return article{b.int(), b.long(), b.text()} }
func cutComment(b *input) comment { return comment{cutArticle(b), b.int()} }

// input is what is left of a value; short says that there was less than was asked for.
type input struct {
	left  []byte
	short bool
}

func (b *input) take(n int) []byte {
	if b.short = b.short || n < 0 || n > len(b.left); b.short {
		return make([]byte, 8)
	}
	taken := b.left[:n]
	b.left = b.left[n:]
	return taken
}

func (b *input) int() int32   { return int32(binary.BigEndian.Uint32(b.take(4))) }
func (b *input) long() int64  { return int64(binary.BigEndian.Uint64(b.take(8))) }
func (b *input) text() string { return string(b.take(int(b.int()))) }

// whole decodes a value that must end where what was cut from it ends.
func whole[T any](cut func(*input) T) func([]byte) (T, error) {
	return func(value []byte) (T, error) {
		b := &input{left: value}
		v := cut(b)
		if b.short || len(b.left) > 0 {
			return v, fmt.Errorf("%d bytes, which is not what they say", len(value))
		}
		return v, nil
	}
}

func relationalProgram(b *weir.Builder, _ launch) {
	all := weir.TableFrom(b, weir.NewTopic("in-article", serde.Int32(), articles), "articles")
	said := weir.TableFrom(b, weir.NewTopic("in-comment", serde.Int32(), comments), "comments")
	byArticle := weir.GroupTableBy(said, func(_ int32, c comment) (int32, int16) { return c.Article, 1 }, weir.Named("by-article"), weir.ValueSerde(serde.Int16()))
	weir.LeftJoinTables(all, weir.Count(byArticle, "comment-counts"), func(_ int32, a article, n *int64) counted {
		if n == nil {
			return counted{a, 0}
		}
		return counted{a, *n}
	}).ToStream().To(weir.NewTopic("out-augmented-article", serde.Int32(), augmentedArticles))
	weir.JoinForeign(said, all, "article-of", func(_ int32, c comment) (int32, bool) { return c.Article, true }, func(_ int32, c comment, a article) quoting {
		return quoting{c, a.Text[:min(10, len(a.Text))]}
	}).ToStream().To(weir.NewTopic("out-augmented-comment", serde.Int32(), augmentedComments))
}
