/** The plain-Java backend: float64, readable, no natives; the oracle of every other backend. */
module org.segformer3d.backend.reference {
    requires transitive org.segformer3d.api;

    exports org.segformer3d.backend.reference;

    provides org.segformer3d.api.backend.BackendProvider with
            org.segformer3d.backend.reference.ReferenceProvider;
}
