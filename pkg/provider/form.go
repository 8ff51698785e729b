package provider

// Form describes the settings for a user interface, from the tags of the
// settings structs.
func (s *spec[C, F]) Form() Form {
	return Form{
		Type:               s.name,
		Label:              s.label,
		Description:        s.description,
		DocsURL:            s.docsURL,
		Icon:               s.icon,
		Credentials:        formFields(s.credentialFields),
		Config:             formFields(s.configFields),
		ModelIDLabel:       s.modelIDLabel,
		ModelIDPlaceholder: s.modelIDPlaceholder,
		CredentialsSchema:  schemaOf(s.label+" credentials", s.credentialFields),
		ConfigSchema:       schemaOf(s.label+" config", s.configFields),
	}
}

func formFields(fields []field) []FormField {
	out := make([]FormField, len(fields))
	for i, f := range fields {
		out[i] = FormField{
			Name: f.name, Label: f.label, Kind: f.kind, Required: f.required,
			Help: f.help, Placeholder: f.placeholder,
		}
		if f.pattern != nil {
			out[i].Pattern = f.pattern.String()
		}
	}
	return out
}
