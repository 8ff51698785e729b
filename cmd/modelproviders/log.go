package main

import (
	"io"
	"log/slog"
)

// logFlags configure the log of every command.
type logFlags struct {
	Format string `default:"text" enum:"text,json" help:"Format of the log: text or json."`
	Level  string `default:"info" enum:"debug,info,warn,error" help:"Log messages of this level and above: debug, info, warn or error."`
}

func (l logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // the flag accepts names of levels only
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
