package surface

import (
	"bytes"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Importer imports packages, named as for the go command, and what they import.
func Importer(fset *token.FileSet, packages ...string) (types.Importer, error) {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}"}, packages...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[path] = file
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }), nil
}

// Functions are the functions that a package exports, and the exported methods of its exported types.
func Functions(pkg *types.Package) (all []*types.Func) {
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		if f, ok := obj.(*types.Func); ok {
			all = append(all, f)
		}
		named, ok := obj.Type().(*types.Named)
		if _, kind := obj.(*types.TypeName); !ok || !kind {
			continue
		}
		for m := range named.Methods() {
			if m.Exported() {
				all = append(all, m)
			}
		}
	}
	return all
}

// Methods are the methods that a package's exported interfaces declare themselves.
func Methods(pkg *types.Package) (all []*types.Func) {
	for _, name := range pkg.Scope().Names() {
		obj, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || !obj.Exported() {
			continue
		}
		of, ok := obj.Type().Underlying().(*types.Interface)
		if !ok {
			continue
		}
		for m := range of.ExplicitMethods() {
			if m.Exported() {
				all = append(all, m)
			}
		}
	}
	return all
}

// Name is a function's name, with its receiver's: Stream.Filter.
func Name(f *types.Func) string {
	if of := Receiver(f); of != nil {
		return of.Obj().Name() + "." + f.Name()
	}
	return f.Name()
}

// Receiver is the type that a method is of; nil of a function.
func Receiver(f *types.Func) *types.Named {
	recv := f.Signature().Recv()
	if recv == nil {
		return nil
	}
	at := recv.Type()
	if p, ok := at.(*types.Pointer); ok {
		at = p.Elem()
	}
	of, _ := at.(*types.Named)
	return of
}
