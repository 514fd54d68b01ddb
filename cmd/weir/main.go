package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/examples/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{Use: "weir", Short: "Stream processing for Go", SilenceUsage: true}
	root.AddCommand(demoCommand(), versionCommand())
	return root
}

func demoCommand() *cobra.Command {
	o := demo.Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the payments and the fraud example in one process, and check their books",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Terminal = terminal(os.Stdout)
			return demo.Run(c.Context(), c.OutOrStdout(), o)
		},
	}
	c.Flags().DurationVar(&o.For, "for", 20*time.Second, "how long traffic comes")
	c.Flags().Float64Var(&o.Speed, "speed", 30, "seconds of event time in a second")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "of the traffic: equal seeds, equal traffic")
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), version()) },
	}
}

// version is what the Go toolchain wrote into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "weir (unknown)"
	}
	return "weir " + info.Main.Version + " " + info.GoVersion
}

// terminal reports whether a file is a terminal, where a table can be drawn.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
