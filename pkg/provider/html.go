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

// titleOf returns the title of an HTML page in brackets, or "" if it has none. It does
// not shorten the title, because only a complete secret can be redacted.
func titleOf(page []byte) string {
	if found := htmlTitle.FindSubmatch(page); found != nil {
		if title := plainText(found[1]); title != "" {
			return " (“" + title + "”)"
		}
	}
	return ""
}

// textOf returns the text of an HTML page after a space, or "" if the text is only the
// title.
func textOf(page []byte) string {
	text := plainText(htmlTag.ReplaceAll(htmlHidden.ReplaceAll(page, []byte(" ")), []byte(" ")))
	if text == "" || strings.Contains(titleOf(page), text) {
		return ""
	}
	return " " + text
}

// plainText returns text of a page in one line.
func plainText(text []byte) string {
	return strings.Join(strings.Fields(html.UnescapeString(string(text))), " ")
}
