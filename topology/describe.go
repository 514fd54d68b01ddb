package topology

// Describe is Kafka's text format (TopologyDescription.toString).
func (t *Topology) Describe() string { return "" }

// Mermaid is a Mermaid flowchart.
func (t *Topology) Mermaid() string { return "" }

// DOT is a Graphviz graph.
func (t *Topology) DOT() string { return "" }
