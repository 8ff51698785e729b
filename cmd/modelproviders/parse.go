package main

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"modelproviders/pkg/app"
)

// checker is a command that checks its settings before it runs.
type checker interface{ check() app.SettingErrors }

// parse reads the command line and the environment, and checks all settings of the
// command. Its error contains everything that is wrong. It returns nil after --help.
func parse(ctx context.Context, cli *commandLine, args []string, env *environment, stdout, stderr io.Writer) (*kong.Context, error) {
	command, wrong, err := parseAll(ctx, cli, args, env, stdout, stderr)
	if err != nil || command == nil && wrong == nil {
		return nil, err
	}
	if command != nil {
		if c, ok := command.Selected().Target.Addr().Interface().(checker); ok {
			wrong = append(wrong, c.check()...)
		}
	}
	if len(wrong) > 0 {
		return nil, exitError{status: exitUsage, err: wrong}
	}
	return command, nil
}

// parseAll parses until kong reports nothing but what is already in wrong: it stops at
// the first unknown flag, which is left out in the next attempt.
func parseAll(ctx context.Context, cli *commandLine, args []string, env *environment, stdout, stderr io.Writer) (*kong.Context, app.SettingErrors, error) {
	var unknown app.SettingErrors
	args = slices.Clone(args)
	maybeValue := -1 // the index of the argument after an unknown flag
	for {
		flags := &flagErrors{env: env}
		exited := false
		parser, err := kong.New(cli,
			kong.Name("modelproviders"),
			kong.Description(description),
			kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
			kong.Writers(stdout, stderr),
			kong.Exit(func(int) { exited = true }),
			kong.Resolvers(kong.ResolverFunc(flags.resolve)),
			kong.BindTo(ctx, (*context.Context)(nil)),
		)
		if err != nil {
			return nil, nil, err
		}
		if err := kong.Visit(parser.Model.Node, flags.watch); err != nil {
			return nil, nil, err
		}
		command, err := parser.Parse(args)
		if exited { // after --help, errors in the rest of the line don't matter
			return nil, nil, nil
		}
		wrong := append(slices.Clone(unknown), env.misspelt(parser.Model)...)
		if err == nil {
			flags.repeated(command)
			return command, append(wrong, flags.wrong...), nil
		}
		at, message := unknownFlag(args, err)
		switch {
		case at >= 0:
			unknown = append(unknown, message)
			maybeValue = -1
			if !strings.Contains(args[at], "=") {
				maybeValue = at
			}
			args = slices.Delete(args, at, at+1)
		case maybeValue >= 0 && maybeValue < len(args) && strings.HasPrefix(err.Error(), "unexpected argument "+args[maybeValue]):
			args = slices.Delete(args, maybeValue, maybeValue+1)
			maybeValue = -1
		default:
			return nil, append(append(wrong, flags.wrong...), flags.missing(err)...), nil
		}
	}
}

// unknownFlagForm matches kong's error for a flag that the command does not have.
var unknownFlagForm = regexp.MustCompile(`^unknown flag (-\S*?)(, did you mean .*\?)?$`)

// unknownFlag returns the index of the flag that an error is about, or -1.
func unknownFlag(args []string, err error) (at int, message string) {
	found := unknownFlagForm.FindStringSubmatch(err.Error())
	if found == nil {
		return -1, ""
	}
	at = slices.IndexFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return name == found[1] || !strings.HasPrefix(arg, "--") && strings.HasPrefix(arg, found[1])
	})
	return at, err.Error()
}

// flagErrors collects the errors of flags. To kong, these flags have their default, so
// that it goes on with the next one.
type flagErrors struct {
	env   *environment
	wrong app.SettingErrors
}

// watch replaces the mapper of a flag or an argument, which parses its values. It adds
// [commonHelp] to the help of commands.
func (f *flagErrors) watch(node kong.Visitable, next kong.Next) error {
	switch node := node.(type) {
	case *kong.Value:
		if node.Name != "help" {
			node.Mapper = &watchedMapper{Mapper: node.Mapper, errors: f}
		}
	case *kong.Node:
		if node.Leaf() {
			node.Detail += "\n\n" + commonHelp
		}
	}
	return next(nil)
}

// resolve sets a flag from the environment.
func (f *flagErrors) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, err := f.env.value(app.Setting(flag.Name), flag.Tag.Has(secretTag))
	f.wrong.Add(app.Setting(flag.Name), err)
	if value == "" {
		return nil, nil
	}
	return value, nil
}

// repeated adds the flags that are given more than once and have one value.
func (f *flagErrors) repeated(command *kong.Context) {
	given := map[*kong.Flag]int{}
	for _, path := range command.Path {
		if path.Flag != nil && !path.Resolved && !path.Flag.IsCumulative() {
			if given[path.Flag]++; given[path.Flag] == 2 {
				f.wrong.Add(app.Setting(path.Flag.Name), errors.New("is given more than once"))
			}
		}
	}
}

// missing returns the required flags that are not set, or the message of another error.
func (f *flagErrors) missing(err error) (wrong app.SettingErrors) {
	var parsing *kong.ParseError
	if errors.As(err, &parsing) && strings.HasPrefix(err.Error(), "missing flags: ") {
		for _, flag := range parsing.Context.Flags() {
			if flag.Required && !flag.Set {
				wrong.Add(app.Setting(flag.Name), errors.New("is required"))
			}
		}
		return wrong
	}
	message := err.Error()
	if strings.HasPrefix(message, "unexpected argument ") && strings.Contains(message, "://") {
		message = "unexpected argument that is a URL" // it may contain a password
	}
	return app.SettingErrors{message + "; see `modelproviders --help`"}
}

// watchedMapper parses the values of a flag or an argument. It reports errors to
// flagErrors instead of kong.
type watchedMapper struct {
	kong.Mapper
	errors *flagErrors
}

// Decode implements [kong.Mapper].
func (m *watchedMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	given := ctx.Scan.Peek()
	if !given.IsValue() && !ctx.Value.IsBool() {
		m.errors.add(ctx.Value, errors.New("needs a value"))
		return m.setDefault(ctx.Value, target)
	}
	err := m.Mapper.Decode(ctx, target)
	choices := ctx.Value.EnumSlice()
	if err == nil && (ctx.Value.Enum == "" || slices.Contains(choices, fmt.Sprint(target))) {
		return nil
	}
	switch {
	case ctx.Value.Tag.Has(secretTag):
		err = errors.New("is not valid")
	case err == nil:
		err = fmt.Errorf("%q must be %s", given, orList(choices))
	case target.Type() == reflect.TypeFor[time.Duration]():
		err = fmt.Errorf("%q must be a duration such as 90s or 10m", given)
	case target.Kind() == reflect.Bool:
		err = fmt.Errorf("%q must be true or false", given)
	case target.CanInt() && !reflect.PointerTo(target.Type()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		err = fmt.Errorf("%q must be a whole number", given)
	}
	m.errors.add(ctx.Value, err)
	return m.setDefault(ctx.Value, target)
}

func (f *flagErrors) add(value *kong.Value, err error) {
	if value.Flag != nil {
		f.wrong.Add(app.Setting(value.Name), err)
		return
	}
	f.wrong = append(f.wrong, fmt.Sprintf("%s: %v", value.Summary(), err))
}

// setDefault sets the value that a flag with an error has for kong.
func (m *watchedMapper) setDefault(value *kong.Value, target reflect.Value) error {
	switch {
	case value.HasDefault:
		return m.Mapper.Decode(&kong.DecodeContext{Value: value, Scan: kong.ScanAsType(kong.FlagValueToken, value.Default)}, target)
	case value.Enum != "":
		target.SetString(value.EnumSlice()[0])
	default:
		target.SetZero()
	}
	return nil
}

// orList joins choices: `a`, `a or b`, `a, b or c`.
func orList(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
