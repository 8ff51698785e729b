package provider

import (
	"html"
	"regexp"
	"strings"
)

var (
	htmlTitle  = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)
	htmlHidden = regexp.MustCompile(`(?is)<(head|script|style|title)\b.*?</(head|script|style|title)>|<!--.*?-->`)
	htmlTag    = regexp.MustCompile(`(?s)<[^>]*>`)
)

// titleOf is the title of an HTML page in brackets; empty when it has none. Its
// length is not bounded here, because only a complete secret can be redacted.
func titleOf(page []byte) string {
	if found := htmlTitle.FindSubmatch(page); found != nil {
		if title := plainText(found[1]); title != "" {
			return " (“" + title + "”)"
		}
	}
	return ""
}

// textOf is what an HTML page shows, after a space; empty when that is only the
// title.
func textOf(page []byte) string {
	text := plainText(htmlTag.ReplaceAll(htmlHidden.ReplaceAll(page, []byte(" ")), []byte(" ")))
	if text == "" || strings.Contains(titleOf(page), text) {
		return ""
	}
	return " " + text
}

// plainText is text of a page in one line.
func plainText(text []byte) string {
	return strings.Join(strings.Fields(html.UnescapeString(string(text))), " ")
}
