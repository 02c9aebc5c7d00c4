// SPDX-License-Identifier: Apache-2.0

// Renders a chart as Helm does, with as much of Helm as the chart uses: `go run . CHART RELEASE NAMESPACE [VALUES.yaml]`.
// Debian has no helm, but the library that Helm's templates have their functions from.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

func main() {
	if err := render(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(chart, release, namespace string, files []string) error {
	var about struct {
		Name, Version string
		AppVersion    string `yaml:"appVersion"`
	}
	values := map[string]interface{}{}
	if err := read(filepath.Join(chart, "Chart.yaml"), &about); err != nil {
		return err
	}
	for _, file := range append([]string{filepath.Join(chart, "values.yaml")}, files...) {
		more := map[string]interface{}{}
		if err := read(file, &more); err != nil {
			return err
		}
		values = merged(values, more)
	}
	all := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	// As Helm: templates read nothing of the machine.
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := all.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	all.Funcs(functions)
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return err
	}
	sort.Strings(paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := all.New(filepath.Base(path)).Parse(string(text)); err != nil {
			return err
		}
	}
	data := map[string]interface{}{
		"Values":  values,
		"Release": map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm"},
		"Chart":   map[string]interface{}{"Name": about.Name, "Version": about.Version, "AppVersion": about.AppVersion},
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text bytes.Buffer
		if err := all.ExecuteTemplate(&text, name, data); err != nil {
			return err
		}
		if name == "NOTES.txt" {
			fmt.Fprint(os.Stderr, text.String())
		} else if strings.TrimSpace(text.String()) != "" {
			fmt.Printf("---\n# Source: %s\n%s", name, text.String())
		}
	}
	return nil
}

func read(path string, into interface{}) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

// Maps are merged, and everything else is replaced.
func merged(under, over map[string]interface{}) map[string]interface{} {
	for key, value := range over {
		below, isMap := under[key].(map[string]interface{})
		if above, ok := value.(map[string]interface{}); ok && isMap {
			under[key] = merged(below, above)
		} else {
			under[key] = value
		}
	}
	return under
}
