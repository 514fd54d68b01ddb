package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/weirstream/weir"

// goroutine is the name of the act of starting one.
const goroutine = "a goroutine"

// clocks are the calls that read or wait for the time of day, by package.
var clocks = map[string][]string{
	"time":    {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
}

// Load reads the module at root: every non-test Go file, whatever its build tags, so that no platform and no version has a way round. Folders
// with a go.mod of their own are other modules.
func Load(root string) ([]Package, error) {
	var pkgs []Package
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != root && foreign(path, d.Name()) {
			return filepath.SkipDir
		}
		p, err := loadDir(root, path)
		if err != nil || p == nil {
			return err
		}
		pkgs = append(pkgs, *p)
		return nil
	})
	return pkgs, err
}

func foreign(path, name string) bool {
	if name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// loadDir returns the package in dir, nil if there is none.
func loadDir(root, dir string) (*Package, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	if len(files) == 0 {
		return nil, nil
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	p := &Package{Path: filepath.ToSlash(rel)}
	for _, f := range files {
		if err := p.read(root, f); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Package) read(root, file string) error {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	// A file for a later Go may have syntax that this one does not know: its imports are read all the same.
	if tree == nil || err != nil && !later(file) {
		return fmt.Errorf("parse: %w", err)
	}
	at := func(pos token.Pos) string {
		where := fset.Position(pos)
		if rel, err := filepath.Rel(root, where.Filename); err == nil {
			where.Filename = filepath.ToSlash(rel)
		}
		return fmt.Sprintf("%s:%d", where.Filename, where.Line)
	}
	names := map[string]string{} // local name of an import to its path
	for _, spec := range tree.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", at(spec.Pos()), spec.Path.Value, err)
		}
		names[localName(spec, path)] = path
		p.Imports = append(p.Imports, imported(path, at(spec.Pos())))
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if act := actOf(n, names); act != "" {
			p.Acts = append(p.Acts, Fact{Name: act, At: at(n.Pos())})
		}
		return true
	})
	return nil
}

// later says whether the file's name marks it as one for a later version of Go.
func later(file string) bool { return strings.Contains(filepath.Base(file), "_go1") }

func imported(path, at string) Fact {
	if path == module {
		return Fact{Name: ".", Ours: true, At: at}
	}
	if rest, ours := strings.CutPrefix(path, module+"/"); ours {
		return Fact{Name: rest, Ours: true, At: at}
	}
	return Fact{Name: path, At: at}
}

func localName(spec *ast.ImportSpec, path string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path[strings.LastIndex(path, "/")+1:]
}

// actOf names what a node does that computing rooms must not, or nothing.
func actOf(n ast.Node, names map[string]string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return goroutine
	case *ast.CallExpr:
		// sync.WaitGroup and its like start goroutines by a method of this name.
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" {
			return goroutine
		}
	case *ast.SelectorExpr:
		// The selector, not the call: a clock that is handed on is looked at elsewhere.
		pkg, ok := n.X.(*ast.Ident)
		if path := ""; ok {
			path = names[pkg.Name]
			if slices.Contains(clocks[path], n.Sel.Name) {
				return path + "." + n.Sel.Name
			}
		}
	}
	return ""
}
