package api

import (
	"compress/gzip"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// minCompressed is the size, in bytes, from which an answer is compressed.
const minCompressed = 1 << 10

// compressed compresses the answers to GET for clients that accept gzip. Answers
// that carry a secret are answers to POST, and problem documents have another media
// type.
func compressed(next http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(minCompressed),
		gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.EnableZstd(false),
		gzhttp.ContentTypes([]string{mediaJSON, "application/yaml", "text/html", "text/plain", "text/css", "text/javascript", "image/svg+xml"}),
	)
	if err != nil {
		return nil, err
	}
	gzipped := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !wantsEvents(r) {
			gzipped.ServeHTTP(w, r)
		} else {
			next.ServeHTTP(w, r)
		}
	}), nil
}
