package build

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"berth/shared/hub"
)

// written is the log of a program that prints these chunks.
func written(t testing.TB, j hub.Job, chunks ...string) (lines []hub.LogLine, full bool) {
	t.Helper()
	if j.LogBytes == 0 {
		j.LogBytes = 1 << 30
	}
	l := newLog(j, func(e hub.BuildEvent) { lines = append(lines, e.Lines...) }, func() { full = true })
	w := l.writer("INFO")
	for _, c := range chunks {
		if n, err := w.Write([]byte(c)); n != len(c) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.Close()
	l.close()
	for i, line := range lines {
		if line.Seq != int64(i)+1 || line.Level != "INFO" || len(line.Message) > maxLine || !utf8.ValidString(line.Message) || i > 0 && line.Time < lines[i-1].Time {
			t.Fatalf("line %d is %.200v", i, line)
		}
	}
	return lines, full
}

// messages are whole lines: pieces that go on are put together.
func messages(lines []hub.LogLine) (all []string) {
	var begun string
	for _, l := range lines {
		begun += l.Message
		if !l.Continued {
			all = append(all, begun)
			begun = ""
		}
	}
	if begun != "" {
		all = append(all, begun)
	}
	return all
}

func TestLines(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	for printed, want := range map[string][]string{
		"":                          nil,
		"one":                       {"one"},
		"one\ntwo\n":                {"one", "two"},
		"\n\none\n\n":               {"", "", "one", ""},
		"dos\r\nunix\n\r\n":         {"dos", "unix", ""},
		" 1%\r 50%\r100%\rdone\n":   {" 1%\r 50%\r100%\rdone"},
		" 1%\r 2%\r":                {" 1%\r 2%"},
		"tab\there\x00\x1b[31m\n":   {"tab\there\x00\x1b[31m"},
		"caf\u00e9 \xff\xc3\n\x80":  {"caf\u00e9 \\xff\\xc3", "\\x80"},
		"\xed\xa0\x80 \ufffd":       {"\\xed\\xa0\\x80 \ufffd"},
		long + "\nnext":             {long, "next"},
		long[:maxLine] + "\n":       {long[:maxLine]},
		long[:maxLine] + "\r\n":     {long[:maxLine]},
		long[:maxLine-1] + "\r12\n": {long[:maxLine-1] + "\r12"},
	} {
		var bytes []string
		for i := range len(printed) {
			bytes = append(bytes, printed[i:i+1])
		}
		half := len(printed) / 2
		for _, chunks := range [][]string{{printed}, {printed[:half], printed[half:]}, bytes} {
			lines, _ := written(t, hub.Job{}, chunks...)
			if got := messages(lines); !slices.Equal(got, want) {
				t.Errorf("%.60q in %d chunks became %.200q, want %.200q", printed, len(chunks), got, want)
			}
		}
	}
	// Pieces of a long line do not cut characters.
	lines, _ := written(t, hub.Job{}, "x"+strings.Repeat("\u20ac", 50_000))
	if len(lines) != 3 || !lines[0].Continued || !lines[1].Continued || lines[2].Continued || strings.Contains(lines[0].Message+lines[1].Message, `\x`) {
		t.Errorf("%d lines", len(lines))
	}
}

// However much a build prints, also of lines without text, the log ends.
func TestLogLimit(t *testing.T) {
	for _, printed := range []string{"\n", "x\n", "a line of words\n", strings.Repeat("long ", 50_000) + "\n", "no end of the line "} {
		var chunks []string
		for range 1_000_000/len(printed) + 1 {
			chunks = append(chunks, printed)
		}
		lines, full := written(t, hub.Job{LogBytes: 200_000}, chunks...)
		size := 0
		for _, l := range lines {
			size += len(l.Message)
		}
		if !full || size > 200_000 || len(lines) > 200_000/int((hub.LogLine{}).Charge()) {
			t.Errorf("%.20q: full %v with %d lines of %d bytes", printed, full, len(lines), size)
		}
	}
}

// Lines are told of in pieces that fill a record of the log, not one by one.
func TestLogChunks(t *testing.T) {
	const lines = 100_000
	told, cost := 0, 0
	l := newLog(hub.Job{LogBytes: 1 << 30, Token: "brt_not_printed"}, func(e hub.BuildEvent) {
		told++
		size := 0
		for _, line := range e.Lines {
			size += line.Cost()
		}
		if size > hub.MaxLogChunk {
			t.Errorf("%d bytes of lines in one piece", size)
		}
		cost += size
	}, func() {})
	l.ticker.Stop() // only what is full
	w := l.writer("INFO")
	for i := range lines {
		fmt.Fprintf(w, "line %d of many\n", i)
	}
	w.Close()
	l.close()
	if most := cost/(hub.MaxLogChunk-1000) + 1; told > most || cost < lines*80 {
		t.Errorf("%d lines of %d bytes were told of in %d pieces, want at most %d", lines, cost, told, most)
	}
}

func TestMask(t *testing.T) {
	multi := "first line\n{\n  \"key\": \"value\"\n}\n"
	key := "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nx0AB\n-----END RSA PRIVATE KEY-----\n"
	j := hub.Job{
		Secrets:   map[string]string{"long": "s3cr3t value+/", "multi": multi, "short": "q7", "overlap": "aXbXa", "other": "Xa-Yb", "line": "with an end\n", "blank": " \n", "longer": "s3cr3t value+/ and more"},
		Token:     "brt_0123456789abcdef",
		DeployKey: key,
	}
	for printed, want := range map[string]string{
		"it is s3cr3t value+/.":                              "it is ***.",
		"s3cr3t value+/ and more":                            "***",
		"s3cr3t value+":                                      "s3cr3t value+",
		"s3cr3t value+/s3cr3t value+/":                       "******",
		"first line|\"key\": \"value\"|{}":                   "***|***|{}",
		"q7 qq77":                                            "*** q***7",
		"aXbXa-Yb aXbXaXbXa":                                 "*** ***",
		"with an end, here":                                  "***, here",
		"token brt_0123456789abcdef0":                        "token ***0",
		"MIIEowIBAAKCAQEA and x0AB":                          "*** and ***",
		"-----BEGIN RSA PRIVATE KEY-----":                    "-----BEGIN RSA PRIVATE KEY-----",
		`{"v":` + quotedJSON(strings.TrimSpace(multi)) + "}": `{"v":"***"}`,
		"?v=" + url.QueryEscape(j.Token+"+ /"):               "?v=***%2B+%2F",
		"?v=" + url.QueryEscape("s3cr3t value+/") + "&x":     "?v=***&x",
		"/" + url.PathEscape("s3cr3t value+/"):               "/***",
	} {
		if got := newMask(j).text(printed); got != want {
			t.Errorf("%q became %q, want %q", printed, got, want)
		}
	}
	for _, before := range []string{"", "a", "ab", "abc", "build:"} {
		text := base64.StdEncoding.EncodeToString([]byte(before + j.Token + "xyz"))
		if got := newMask(j).text(text); !strings.Contains(got, "***") || len(got) > len(text)-20 {
			t.Errorf("of base64 with %q before it is left %q", before, got)
		}
	}
	if got := newMask(hub.Job{}).text("text"); got != "text" {
		t.Errorf("without secrets text becomes %q", got)
	}
}

func quotedJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// A secret is hidden wherever chunks and pieces are cut.
func TestMaskAcrossChunks(t *testing.T) {
	const secret = "correct horse battery staple"
	j := hub.Job{Secrets: map[string]string{"x": secret, "y": "***", "z": "*"}}
	for before := maxLine - 2*len(secret); before <= maxLine+len(secret); before++ {
		line := strings.Repeat(".", before) + secret + strings.Repeat("-", 2*maxLine)
		cut := before + len(secret)/2
		lines, _ := written(t, j, line[:cut], line[cut:])
		got := strings.Join(messages(lines), "")
		if got != strings.Repeat(".", before)+"***"+strings.Repeat("-", 2*maxLine) {
			t.Fatalf("behind %d bytes the line became %d bytes: …%s…", before, len(got), got[before-30:min(before+60, len(got))])
		}
	}
}

// FuzzLog prints anything in any chunks: no secret is in the log, and without
// secrets nothing else is lost.
func FuzzLog(f *testing.F) {
	f.Add("a line with secret-1 in it\nand \xff\r\n", 1, "secret-1", "q", 7)
	f.Add("and secret-1 again ", 10_000, "secret-1", "again", 4096)
	f.Add("aaaaaaaa", 9000, "aa", "aaa", 1000)
	f.Fuzz(func(t *testing.T, printed string, times int, secret, other string, size int) {
		if times < 1 || times > 200_000 || len(printed)*times > 200_000 || len(printed)*times/10_000 > size || size < 1 || len(secret) > 1000 || len(other) > 1000 {
			return
		}
		printed = strings.Repeat(printed, times)
		var chunks []string
		for chunk := range slices.Chunk([]byte(printed), size) {
			chunks = append(chunks, string(chunk))
		}
		lines, _ := written(t, hub.Job{}, chunks...)
		want := printable(strings.ReplaceAll(strings.TrimSuffix(printed, "\n")+"\n", "\r\n", "\n"))
		if got := strings.Join(messages(lines), "\n") + "\n"; printed != "" && got != want {
			t.Fatalf("became %q, want %q", got, want)
		}
		lines, _ = written(t, hub.Job{Secrets: map[string]string{"a": secret, "b": other}}, chunks...)
		for _, s := range []string{secret, other} {
			// What is escaped, or made of asterisks, is found where it was not printed.
			if s = strings.TrimSpace(s); s == "" || strings.ContainsAny(s, "*\\\r\n") || !utf8.ValidString(s) || strings.Contains(`\x0123456789abcdef`, s) {
				continue
			}
			for _, m := range messages(lines) {
				if strings.Contains(m, s) && utf8.ValidString(printed) {
					t.Fatalf("%q is in %q", s, m)
				}
			}
		}
	})
}
