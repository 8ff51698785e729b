package main

import (
	"cmp"
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"math"
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

// parser parses a command line with kong, which stops at the first error. The parser goes
// on and collects the errors: it removes unknown flags, and a flag with an invalid value
// has its default for kong.
type parser struct {
	kong  *kong.Kong
	env   *environment
	wrong app.SettingErrors
}

// parse reads the command line and the environment, and checks all settings of the
// command. Its error contains everything that is wrong. It returns nil after --help.
func parse(ctx context.Context, cli *commandLine, args []string, env *environment, stdout, stderr io.Writer) (*kong.Context, error) {
	p := &parser{env: env}
	helped := false
	var err error
	p.kong, err = kong.New(cli,
		kong.Name("modelproviders"),
		kong.Description(programHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.Resolvers(kong.ResolverFunc(p.resolve)),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return nil, err
	}
	if err := kong.Visit(p.kong.Model.Node, p.watch); err != nil {
		return nil, err
	}
	args, unknown := p.withoutUnknownFlags(args)
	p.wrong = slices.Concat(unknown, env.misspelt(p.kong.Model))
	command, err := p.kong.Parse(args)
	switch {
	case helped: // errors in the rest of the line don't matter
		return nil, nil
	case err != nil:
		p.addError(err)
	default:
		p.addRepeated(command)
		if c, ok := command.Selected().Target.Addr().Interface().(checker); ok {
			p.wrong = append(p.wrong, c.check()...)
		}
	}
	if len(p.wrong) > 0 {
		return nil, exitError{status: exitUsage, err: p.wrong}
	}
	return command, nil
}

// unknownFlagForm matches kong's error for a flag that the command does not have.
var unknownFlagForm = regexp.MustCompile(`^unknown flag (-\S*?)(, did you mean .*\?)?$`)

// withoutUnknownFlags removes the flags that the command does not have, and returns
// kong's errors for them. The argument after such a flag is removed too if the command
// does not expect it: it was meant as the flag's value.
func (p *parser) withoutUnknownFlags(args []string) (known []string, unknown app.SettingErrors) {
	known = slices.Clone(args)
	maybeValue := -1
	for {
		trace, err := kong.Trace(p.kong, known)
		if err = cmp.Or(err, trace.Error); err == nil {
			return known, unknown
		}
		message := err.Error()
		if maybeValue >= 0 && maybeValue < len(known) && strings.HasPrefix(message, "unexpected argument "+known[maybeValue]) {
			known = slices.Delete(known, maybeValue, maybeValue+1)
			maybeValue = -1
			continue
		}
		found := unknownFlagForm.FindStringSubmatch(message)
		at := slices.IndexFunc(known, func(arg string) bool {
			name, _, _ := strings.Cut(arg, "=")
			return found != nil && (name == found[1] || !strings.HasPrefix(arg, "--") && strings.HasPrefix(arg, found[1]))
		})
		if at < 0 {
			return known, unknown
		}
		unknown = append(unknown, message)
		maybeValue = at
		if strings.Contains(known[at], "=") {
			maybeValue = -1
		}
		known = slices.Delete(known, at, at+1)
	}
}

// watch replaces what parses the values of a flag or an argument. It sets the help of
// commands.
func (p *parser) watch(node kong.Visitable, next kong.Next) error {
	switch node := node.(type) {
	case *kong.Value:
		if node.Name != "help" {
			watched := &watchedMapper{Mapper: node.Mapper, parser: p}
			if node.Enum != "" {
				watched.choices = node.EnumSlice()
			}
			node.Mapper, node.Enum, node.Tag.Enum = watched, "", ""
		}
	case *kong.Node:
		if node.Leaf() {
			node.Detail = commandHelp[node.Path()] + "\n\n" + commonHelp
		}
	}
	return next(nil)
}

// resolve sets a flag from the environment.
func (p *parser) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, err := p.env.value(app.Setting(flag.Name), flag.Tag.Has(secretTag))
	p.wrong.Add(app.Setting(flag.Name), err)
	if value == "" {
		return nil, nil
	}
	return value, nil
}

// addRepeated adds the flags that are given more than once and have one value.
func (p *parser) addRepeated(command *kong.Context) {
	given := map[*kong.Flag]int{}
	for _, path := range command.Path {
		if path.Flag != nil && !path.Resolved && !path.Flag.IsCumulative() {
			if given[path.Flag]++; given[path.Flag] == 2 {
				p.wrong.Add(app.Setting(path.Flag.Name), errors.New("is given more than once"))
			}
		}
	}
}

// addError adds the required flags that are not set, or the message of another error.
func (p *parser) addError(err error) {
	var parsing *kong.ParseError
	message := err.Error()
	switch {
	case errors.As(err, &parsing) && strings.HasPrefix(message, "missing flags: "):
		for _, flag := range parsing.Context.Flags() {
			if flag.Required && !flag.Set {
				p.wrong.Add(app.Setting(flag.Name), errors.New("is required"))
			}
		}
		return
	case strings.HasPrefix(message, "unexpected argument ") && strings.Contains(message, "://"):
		message = "unexpected argument that is a URL" // it may contain a password
	}
	p.wrong = append(p.wrong, message+"; see `modelproviders --help`")
}

// watchedMapper parses the values of a flag or an argument. It adds errors to the parser
// instead of returning them.
type watchedMapper struct {
	kong.Mapper
	parser  *parser
	choices []string // nil: any value
}

// Decode implements [kong.Mapper].
func (m *watchedMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	err := m.decode(ctx, target)
	if err == nil {
		return nil
	}
	if ctx.Value.Flag != nil {
		m.parser.wrong.Add(app.Setting(ctx.Value.Name), err)
	} else {
		m.parser.wrong = append(m.parser.wrong, fmt.Sprintf("%s: %v", ctx.Value.Summary(), err))
	}
	err = ctx.Value.Reset()
	target.Set(ctx.Value.Target)
	return err
}

func (m *watchedMapper) decode(ctx *kong.DecodeContext, target reflect.Value) error {
	given := ctx.Scan.Peek()
	if !given.IsValue() && !ctx.Value.IsBool() {
		return errors.New("needs a value")
	}
	err := m.Mapper.Decode(ctx, target)
	isDuration := target.Type() == reflect.TypeFor[time.Duration]()
	switch {
	case err != nil && ctx.Value.Tag.Has(secretTag):
		return errors.New("is not valid")
	case err == nil && m.choices != nil && !slices.Contains(m.choices, fmt.Sprint(target)):
		return fmt.Errorf("%q must be %s", given, orList(m.choices))
	case err == nil && isDuration && target.Int() < 0:
		return fmt.Errorf("%q must not be negative", given)
	case err == nil || reflect.PointerTo(target.Type()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return err
	case isDuration:
		return fmt.Errorf("%q must be a duration such as 90s or 10m", given)
	case target.Kind() == reflect.Bool:
		return fmt.Errorf("%q must be true or false", given)
	case target.CanInt():
		return fmt.Errorf("%q must be a whole number", given)
	case target.CanUint():
		largest := uint64(math.MaxUint64) >> (64 - target.Type().Bits())
		return fmt.Errorf("%q must be a whole number from 0 to %d", given, largest)
	}
	return err
}

// orList joins choices: `a`, `a or b`, `a, b or c`.
func orList(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
